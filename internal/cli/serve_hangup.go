package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/asleep-sdk/asleep/server"
)

// reloadOnHangup has every SIGHUP read the secrets anew, until stop is called.
// Secrets that cannot be used are told of, and those at work stay.
func (o *serveOptions) reloadOnHangup(ctx context.Context, s *server.Service) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range hangups {
			o.reload(ctx, s)
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-ended
	}
}

func (o *serveOptions) reload(ctx context.Context, s *server.Service) {
	tellSystemd(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	cfg, err := o.readSecrets()
	if err == nil {
		err = s.Reload(cfg)
	}
	if err != nil {
		o.app.log.ErrorContext(ctx, "SIGHUP: the secrets stay as they were", "error", err)
	} else {
		o.app.log.InfoContext(ctx, "SIGHUP: the secrets were read anew")
	}
	tellSystemd(daemon.SdNotifyReady)
}
