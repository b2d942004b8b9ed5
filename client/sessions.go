package client

import (
	"context"
	"net/http"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/api"
)

// Session reads the report of a session, rendered in the call's timezone. The
// report may be unfinished: ask [asleep.Report.Immutable] before keeping it.
// Just after a recording ended the service may answer [ErrNotFound] for a while.
func (c *Client) Session(ctx context.Context, userID, sessionID string, opts ...CallOption) (*asleep.Report, error) {
	k := c.newCall(opGetSession, opts)
	k.checkUser(userID)
	k.checkSession(sessionID)
	if err := k.refusal(); err != nil {
		return nil, err
	}
	return k.report(ctx, sessionID)
}

// report answers a checked call.
func (k *call) report(ctx context.Context, sessionID string) (*asleep.Report, error) {
	return kept(ctx, k, reportKind, sessionID, func(ctx context.Context, k *call) (*asleep.Report, string, error) {
		a, err := k.exchange(ctx, func(context.Context) (*http.Request, error) {
			return api.NewGetSessionRequest(k.client.server, sessionID, &api.GetSessionParams{XUserID: k.userID, Timezone: k.zone})
		})
		if err != nil {
			return nil, "", err
		}
		r, err := decodeResult(a, parseReport)
		if err != nil {
			return nil, "", err
		}
		return r, r.Raw, nil
	})
}

// DeleteSession deletes a session. An empty session id is refused: on the wire
// it would delete all sessions of the user. As with [Client.DeleteUser], a 404
// after a lost answer is success.
func (c *Client) DeleteSession(ctx context.Context, userID, sessionID string, opts ...CallOption) error {
	k := c.newCall(opDeleteSession, opts)
	k.checkUser(userID)
	k.checkSession(sessionID)
	forget := k.forgetting(ctx)
	defer forget()
	_, err := k.send(ctx, func(context.Context) (*http.Request, error) {
		return api.NewDeleteSessionRequest(c.server, sessionID, &api.DeleteSessionParams{XUserID: userID})
	})
	return err
}

// DeleteAllSessions deletes all sessions of a user. As with [Client.DeleteUser],
// a 404 after a lost answer is success.
func (c *Client) DeleteAllSessions(ctx context.Context, userID string, opts ...CallOption) error {
	k := c.newCall(opDeleteAllSessions, opts)
	k.checkUser(userID)
	forget := k.forgetting(ctx)
	defer forget()
	_, err := k.send(ctx, func(context.Context) (*http.Request, error) {
		return api.NewDeleteAllSessionsRequest(c.server, &api.DeleteAllSessionsParams{XUserID: userID})
	})
	return err
}
