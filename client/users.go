package client

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// CreateUser makes a user and returns the id that the service chose. metadata
// may be nil; its figures are checked against the ranges that the service
// documents before anything is sent.
//
// The service has no idempotency key, so a create is never repeated once it may
// have been processed: such an error matches [ErrMaybeCreated], and a user whose
// id nobody knows may exist.
func (c *Client) CreateUser(ctx context.Context, metadata *asleep.UserMetadata, opts ...CallOption) (userID string, err error) {
	k := c.newCall(opCreateUser, opts)
	k.checkMetadata(metadata)
	a, err := k.send(ctx, func(context.Context) (*http.Request, error) {
		return api.NewCreateUserRequest(c.server, asleep.CreateUserRequest{Metadata: metadata})
	})
	if err != nil {
		return "", err
	}
	created, err := decodeResult(a, parseCreated)
	if err != nil {
		return "", err
	}
	return created.UserID, nil
}

// User reads a user and the user's newest session. A user marked ToBeDeleted
// still reads. Errors: [ErrNotFound], and those of any call.
func (c *Client) User(ctx context.Context, userID string, opts ...CallOption) (*asleep.User, error) {
	k := c.newCall(opGetUser, opts)
	k.checkUser(userID)
	a, err := k.send(ctx, func(context.Context) (*http.Request, error) { return api.NewGetUserRequest(c.server, userID) })
	if err != nil {
		return nil, err
	}
	return decodeResult(a, parseUser)
}

// DeleteUser deletes a user and all data of that user. When the answer to an
// earlier attempt was lost and a repetition says 404, the deletion had worked:
// that is no error. Errors: [ErrNotFound], [ErrUserIDInvalid] (the service's 401
// for an unknown id), and those of any call.
//
// With a cache that processes share, everything of the user is taken out of it. If it could
// not be told yet that is no error: [WithOrigin] says so, [cache.WithJournal] has it
// outlive this process, and [Client.ForgetUser] may be called at any time.
func (c *Client) DeleteUser(ctx context.Context, userID string, opts ...CallOption) error {
	k := c.newCall(opDeleteUser, opts)
	k.checkUser(userID)
	forget := k.forgetting(ctx)
	defer forget()
	_, err := k.send(ctx, func(context.Context) (*http.Request, error) { return api.NewDeleteUserRequest(c.server, userID) })
	return err
}

// checkMetadata notes figures outside the ranges of contract section 1. The
// gender may grow: the service judges it.
func (k *call) checkMetadata(m *asleep.UserMetadata) {
	if m == nil {
		return
	}
	k.checkWhole("birth_year", m.BirthYear, 1900, 9999)
	k.checkWhole("birth_month", m.BirthMonth, 1, 12)
	k.checkWhole("birth_day", m.BirthDay, 1, 31)
	k.checkMeasure("height", "cm", m.Height, 300)
	k.checkMeasure("weight", "kg", m.Weight, 1000)
	if m.BirthYear == nil || m.BirthMonth == nil || m.BirthDay == nil {
		return
	}
	year, month, day := int(*m.BirthYear), int(*m.BirthMonth), int(*m.BirthDay)
	born := asleep.Date{Year: year, Month: time.Month(month), Day: day}
	if inRange := month >= 1 && month <= 12 && day >= 1 && day <= 31; inRange && year <= 9999 && !born.Valid() {
		k.problem("birth date", "%s does not exist: correct birth_day or birth_month", born)
	}
}

func (k *call) checkWhole(name string, v *asleep.Int, least, most asleep.Int) {
	if v != nil && (*v < least || *v > most) {
		k.problem(name, "is %d: give %d to %d, or leave it out", *v, least, most)
	}
}

func (k *call) checkMeasure(name, unit string, v *float64, most float64) {
	if v != nil && (math.IsNaN(*v) || *v < 0 || *v > most) {
		k.problem(name, "is %v: give 0 to %v %s, or leave it out", *v, most, unit)
	}
}
