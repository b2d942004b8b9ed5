// Command quickstart prints the sessions of a user.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/asleep-sdk/asleep/client"
)

func main() {
	c, err := client.NewFromEnv() // ASLEEP_API_KEY, ASLEEP_BASE_URL
	if err != nil {
		log.Fatal(err)
	}
	for s, err := range c.Sessions(context.Background(), "user-0001", client.Query{Limit: 5}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.SessionID, s.State, s.SessionStartTime)
	}
}
