package client

import (
	"context"

	"github.com/asleep-sdk/asleep"
)

// CreateUser makes a user and returns the id that the service chose. metadata
// may be nil; its figures are checked against the ranges the service documents
// before anything is sent.
//
// The service has no idempotency key, so a create is never repeated once it may
// have been processed: such an error matches [ErrMaybeCreated], and a user whose
// id nobody knows may exist.
func (c *Client) CreateUser(ctx context.Context, metadata *asleep.UserMetadata, opts ...CallOption) (userID string, err error) {
	panic("client: not built yet")
}

// User reads a user and the user's newest session. A user marked ToBeDeleted
// still reads. Errors: [ErrNotFound], and those of any call.
func (c *Client) User(ctx context.Context, userID string, opts ...CallOption) (*asleep.User, error) {
	panic("client: not built yet")
}

// DeleteUser deletes a user and all data of that user. When the answer to an
// earlier attempt was lost and a repetition says 404, the deletion had worked:
// that is no error. Errors: [ErrNotFound], [ErrUserIDInvalid] (the service's 401
// for an unknown id), and those of any call.
func (c *Client) DeleteUser(ctx context.Context, userID string, opts ...CallOption) error {
	panic("client: not built yet")
}
