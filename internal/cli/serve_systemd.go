package cli

import "github.com/coreos/go-systemd/v22/daemon"

// tellSystemd tells the service manager how far the service is, if one asked to
// be told.
func tellSystemd(state string) {
	_, _ = daemon.SdNotify(false, state) // nobody to tell is no failure
}
