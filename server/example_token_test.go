package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/asleep-sdk/asleep/server"
	"github.com/asleep-sdk/asleep/store/memory"
)

// signIn stands for what tells a program who brings a token: a library for JWT, a table of
// sessions, another service.
type signIn struct{}

// VerifyToken lets the bearer of a token read the nights of one user.
func (signIn) VerifyToken(_ context.Context, token string) (server.Access, error) {
	user, ok := strings.CutPrefix(token, "token-of-")
	if !ok {
		return server.Access{}, fmt.Errorf("%w: it is none of ours", server.ErrTokenRefused)
	}
	return server.Access{Users: []string{user}}, nil
}

// An app reads with the token of its own user, who sees nobody else's nights.
func ExampleWithTokenVerifier() {
	cfg := server.DefaultConfig() // or server.FromEnv()
	cfg.Upstream.APIKey = server.NewSecret("key")
	cfg.Webhooks.Enabled = false
	s, err := server.New(cfg, memory.New(), server.WithTokenVerifier(signIn{}))
	if err != nil {
		log.Print(err)
		return
	}
	read := func(user, token string) int {
		r := httptest.NewRequest(http.MethodGet, "/api/users/"+user+"/sessions?source=store", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Code
	}
	fmt.Println(read("anna", "token-of-anna"), read("bert", "token-of-anna"), read("anna", "made-up"))
	// Output: 200 403 401
}
