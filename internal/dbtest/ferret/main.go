package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() { os.Exit(command()) } //nolint:forbidigo // this is main

func command() int {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: ferret DIR PORT")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "ferret:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, dir, port string) error {
	socket := filepath.Join(dir, "ferret.sock")
	// The socket of a server that was killed is still there.
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) { //nolint:gosec // the folder is the caller's to choose
		return err
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	p := proxy{socket: socket}
	go p.serve(ctx, listener)
	err = server.Run(ctx)
	return errors.Join(err, listener.Close())
}
