package client

import (
	"context"

	"github.com/asleep-sdk/asleep"
)

// Session reads the report of a session, rendered in the call's timezone. The
// report may be unfinished: ask [asleep.Report.Immutable] before keeping it.
// Just after a recording ended the service may answer [ErrNotFound] for a while.
func (c *Client) Session(ctx context.Context, userID, sessionID string, opts ...CallOption) (*asleep.Report, error) {
	panic("client: not built yet")
}

// DeleteSession deletes a session. An empty session id is refused: on the wire
// it would delete all sessions of the user. As with [Client.DeleteUser], a 404
// after a lost answer is success.
func (c *Client) DeleteSession(ctx context.Context, userID, sessionID string, opts ...CallOption) error {
	panic("client: not built yet")
}

// DeleteAllSessions deletes all sessions of a user.
func (c *Client) DeleteAllSessions(ctx context.Context, userID string, opts ...CallOption) error {
	panic("client: not built yet")
}
