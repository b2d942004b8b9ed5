package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/internal/redact"
)

type usersGetOptions struct {
	app    *app
	output format
	user   string
}

func newUsersGetCommand(a *app) *cobra.Command {
	o := &usersGetOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:   "get USER_ID",
		Short: "Show a user and the user's newest session",
		Long:  "Show a user and the user's newest session.",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.user = a.argument("USER_ID", args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	addOutput(cmd.Flags(), &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *usersGetOptions) run(ctx context.Context) error {
	c := o.app.client()
	if err := o.app.refusal(); err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	o.app.log.DebugContext(ctx, "getting user", "user", redact.User(o.user))
	user, err := c.User(ctx, o.user)
	if err != nil {
		return err
	}
	return userView(o.user).one(o.app.Out, o.output, user)
}

// userView shows users. id is the one that was asked for, should the answer lack it.
func userView(id string) view[*asleep.User] {
	last := func(text func(*asleep.LastSessionInfo) string) func(*asleep.User) string {
		return func(u *asleep.User) string {
			if u.LastSessionInfo == nil {
				return ""
			}
			return text(u.LastSessionInfo)
		}
	}
	meta := func(text func(*asleep.UserMetadata) string) func(*asleep.User) string {
		return func(u *asleep.User) string {
			if u.Metadata == nil {
				return ""
			}
			return text(u.Metadata)
		}
	}
	deleted := func(u *asleep.User) string {
		if u.ToBeDeleted {
			return "true"
		}
		return "false"
	}
	columns := []column[*asleep.User]{
		{"user_id", func(*asleep.User) string { return id }},
		{"to_be_deleted", deleted},
		{"birth_year", meta(func(m *asleep.UserMetadata) string { return whole(m.BirthYear) })},
		{"birth_month", meta(func(m *asleep.UserMetadata) string { return whole(m.BirthMonth) })},
		{"birth_day", meta(func(m *asleep.UserMetadata) string { return whole(m.BirthDay) })},
		{"gender", meta(func(m *asleep.UserMetadata) string { return string(m.Gender) })},
		{"height", meta(func(m *asleep.UserMetadata) string { return exact(m.Height) })},
		{"weight", meta(func(m *asleep.UserMetadata) string { return exact(m.Weight) })},
		{"last_session_id", last(func(l *asleep.LastSessionInfo) string { return l.SessionID })},
		{"last_session_state", last(func(l *asleep.LastSessionInfo) string { return string(l.State) })},
		{"last_session_start_time", last(func(l *asleep.LastSessionInfo) string { return string(l.StartTime) })},
		{"last_session_end_time", last(func(l *asleep.LastSessionInfo) string { return string(l.EndTime) })},
	}
	return view[*asleep.User]{
		json:  func(u *asleep.User) (raw, userID string) { return u.Raw, id },
		csv:   columns,
		table: columns,
	}
}
