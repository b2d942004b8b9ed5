package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
)

var (
	// ErrInvalid is a file that is no checkpoint, or a damaged one.
	ErrInvalid = errors.New("is not a checkpoint of this command, or is damaged")
	// ErrNewer is a checkpoint of a later version.
	ErrNewer = errors.New("was written by a newer version of this command")
)

const (
	kind    = "asleep fetch"
	version = 1
	// maxSize bounds in bytes what is read: a token has at most 16 KiB.
	maxSize   = 64 << 10
	mode      = 0o600
	temporary = ".tmp"
)

// Mark is how much of a file belongs to the users who are done.
type Mark struct {
	Path  string `json:"path"` // seen from the checkpoint; empty: no file that could be continued
	Bytes int64  `json:"bytes"`
}

// State is what a checkpoint says.
type State struct {
	Kind    string    `json:"checkpoint"`
	Version int       `json:"version"`
	SavedAt time.Time `json:"saved_at"`
	// Format is that of the output: ndjson or csv.
	Format string `json:"format"`
	Output Mark   `json:"output"`
	Errors Mark   `json:"errors"`
	// Store names the store that holds the sessions of the users who are done; a
	// file as Mark.Path does. Empty: none.
	Store string `json:"store,omitempty"`
	// Days, From and To are the period as it was settled when the fetch began: the
	// last days end today, and "today" must not move while a fetch is resumed.
	Days int         `json:"days,omitempty"`
	From asleep.Date `json:"from,omitzero"`
	To   asleep.Date `json:"to,omitzero"`
	// Token resumes the batch; zero at its beginning.
	Token client.ResumeToken `json:"token"`
}

// Load reads a checkpoint. ok is false if there is none.
func Load(path string) (s State, ok bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return s, false, err
	}
	if s, err = Parse(b); err != nil {
		return State{}, false, fmt.Errorf("%s %w", path, err)
	}
	return s, true, nil
}

// Parse reads what Save wrote.
func Parse(b []byte) (State, error) {
	var head struct {
		Kind    string `json:"checkpoint"`
		Version int    `json:"version"`
	}
	switch err := json.Unmarshal(b, &head); {
	case err != nil || head.Kind != kind || head.Version < 1 || len(b) > maxSize:
		return State{}, ErrInvalid
	case head.Version > version:
		return State{}, fmt.Errorf("%w (version %d, this one knows %d)", ErrNewer, head.Version, version)
	}
	var s State
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	switch err := d.Decode(&s); {
	case errors.Is(err, client.ErrResumeNewer):
		return State{}, fmt.Errorf("%w: %w", ErrNewer, err)
	case err != nil:
		return State{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	case s.Output.Bytes < 0 || s.Errors.Bytes < 0 || s.Format == "":
		return State{}, ErrInvalid
	}
	return s, nil
}

// Save replaces the checkpoint, durably.
func (s State) Save(path string) error {
	s.Kind, s.Version, s.SavedAt = kind, version, time.Now().UTC().Truncate(time.Second)
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := writeDurably(path+temporary, append(b, '\n')); err != nil {
		_ = os.Remove(path + temporary)
		return err
	}
	if err := os.Rename(path+temporary, path); err != nil {
		_ = os.Remove(path + temporary)
		return err
	}
	return syncDir(path)
}

// Retire removes the checkpoint of a fetch that is complete. It may be gone
// already.
func Retire(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_ = os.Remove(path + temporary) // of a run that was killed
	return syncDir(path)
}

func writeDurably(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a change of names durable. Where directories cannot be synced
// the system sees to it itself.
func syncDir(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = dir.Sync()
	return dir.Close()
}
