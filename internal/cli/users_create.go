package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep"
)

type usersCreateOptions struct {
	app    *app
	output format

	birthYear, birthMonth, birthDay int
	gender                          asleep.Gender
	height, weight                  float64
}

func newUsersCreateCommand(a *app) *cobra.Command {
	o := &usersCreateOptions{app: a, output: formatTable}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a user and print the id that the service chose",
		Long: `Create a user and print the id that the service chose.

If the answer is lost, nobody knows whether the user was created: the command
says so and does not try again.`,
		Example: `  id=$(asleep users create --birth-year 1990 --gender female)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.noArguments(args)
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.Flags()
	addInt(flags, &o.birthYear, "birth-year", "YEAR", "year of birth, from 1900", 1900, 9999)
	addInt(flags, &o.birthMonth, "birth-month", "MONTH", "month of birth, 1 to 12", 1, 12)
	addInt(flags, &o.birthDay, "birth-day", "DAY", "day of birth, 1 to 31", 1, 31)
	addChoice(flags, &o.gender, "gender", "", "GENDER", "gender",
		asleep.GenderFemale, asleep.GenderMale, asleep.GenderNonBinary, asleep.GenderOther, asleep.GenderPreferNotToSay)
	addNumber(flags, &o.height, "height", "CM", "height in centimetres, 0 to 300", 300)
	addNumber(flags, &o.weight, "weight", "KG", "weight in kilograms, 0 to 1000", 1000)
	addOutput(flags, &o.output, formatTable, formatJSON, formatNDJSON, formatCSV)
	return cmd
}

func (o *usersCreateOptions) run(ctx context.Context) error {
	metadata := o.metadata()
	c := o.app.client()
	if err := o.app.refusal(); err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	id, err := c.CreateUser(ctx, metadata)
	if err != nil {
		return err
	}
	if o.output == formatTable {
		_, err := io.WriteString(o.app.Out, cell(id)+"\n")
		return stdoutError(err)
	}
	return createdView.one(o.app.Out, o.output, id)
}

// metadata is what the flags say of the user, nil if they say nothing.
func (o *usersCreateOptions) metadata() *asleep.UserMetadata {
	m := &asleep.UserMetadata{Gender: o.gender}
	for flag, field := range map[string]struct {
		member **asleep.Int
		value  int
	}{
		"birth-year":  {&m.BirthYear, o.birthYear},
		"birth-month": {&m.BirthMonth, o.birthMonth},
		"birth-day":   {&m.BirthDay, o.birthDay},
	} {
		if o.app.given(flag) {
			value := asleep.Int(field.value)
			*field.member = &value
		}
	}
	if o.app.given("height") {
		m.Height = &o.height
	}
	if o.app.given("weight") {
		m.Weight = &o.weight
	}
	if *m == (asleep.UserMetadata{}) {
		return nil
	}
	return m
}

var createdView = view[string]{
	json: func(id string) (raw, userID string) { return "{}", id },
	csv:  []column[string]{{"user_id", func(id string) string { return id }}},
}
