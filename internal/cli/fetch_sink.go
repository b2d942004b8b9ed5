package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/asleep-sdk/asleep"
	"github.com/asleep-sdk/asleep/client"
	"github.com/asleep-sdk/asleep/internal/cli/appendfile"
	"github.com/asleep-sdk/asleep/internal/cli/checkpoint"
	"github.com/asleep-sdk/asleep/internal/cli/ndjson"
	"github.com/asleep-sdk/asleep/internal/filelock"
)

// fetchSink is where the results of a fetch go: the output, the error file and
// the checkpoint, which only ever counts what the other two hold durably. It is
// safe for concurrent use.
type fetchSink struct {
	mu     sync.Mutex
	out    *appendfile.File
	errs   *appendfile.File
	store  *storeSink // nil: none
	rows   rowWriter
	path   string // of the checkpoint; empty: none
	state  checkpoint.State
	resume bool // state was loaded
	begun  bool // files have been changed
	dirty  bool // state counts more than the checkpoint
	locks  []*filelock.Lock
}

// rowWriter writes the lines of a user.
type rowWriter struct {
	header func() error
	user   func(*client.Batch) error
}

// openSink opens what a fetch writes to; nothing is changed before the first result. state
// is that of the checkpoint, if resume.
func (j *fetchJob) openSink(ctx context.Context, state checkpoint.State, resume bool, stderr io.Writer) (s *fetchSink, err error) {
	s = &fetchSink{path: j.files.checkpoint, state: state, resume: resume}
	defer func() {
		if err != nil {
			s.discard()
		}
	}()
	if s.out, err = j.open(j.files.out, state.Output, resume, func() *appendfile.File {
		if !j.lines() {
			return appendfile.Stream(io.Discard, "nothing")
		}
		return appendfile.Stream(j.app.Out, "standard output")
	}); err != nil {
		return s, err
	}
	if s.errs, err = j.open(j.files.errors, state.Errors, resume, func() *appendfile.File {
		return appendfile.Stream(stderr, "standard error")
	}); err != nil {
		return s, err
	}
	if s.store, err = j.openStore(ctx, state, resume, stderr); err != nil {
		return s, err
	}
	s.state.Store = j.storeMark()
	s.state.Output.Path, s.state.Errors.Path = j.markOf(s.out), j.markOf(s.errs)
	s.state.Format = string(j.output)
	s.state.Days, s.state.From, s.state.To = j.period.days, j.period.from, j.period.to
	s.rows = newRowWriter(s.out, j.output, j.details)
	if !j.lines() {
		s.rows = rowWriter{header: func() error { return nil }, user: func(*client.Batch) error { return nil }}
	}
	return s, nil
}

// open opens one file, or the stream where none is named.
func (j *fetchJob) open(path string, mark checkpoint.Mark, resume bool, stream func() *appendfile.File) (*appendfile.File, error) {
	if path == "" {
		return stream(), nil
	}
	start := appendfile.Start{Replace: j.overwrite}
	if name := j.markName(path); resume && plain(path) {
		if mark.Path != name {
			return nil, fileProblem(j.files.checkpoint, fmt.Sprintf("belongs to a run that wrote to %s instead of %s: give the files of that run, or --overwrite to start over", orStream(mark.Path), name))
		}
		start = appendfile.Start{At: mark.Bytes, Replace: true}
	}
	f, err := appendfile.Open(path, start)
	switch {
	case errors.Is(err, appendfile.ErrExists):
		return nil, fileProblem(path, "exists, and no checkpoint says that it is to be continued: move it away, name another file, or give --overwrite to replace it")
	case errors.Is(err, appendfile.ErrChanged):
		return nil, usageError(fmt.Errorf("%w: put back the file of the run before, or give --overwrite to start over", err))
	case err != nil:
		return nil, unwritable(path, err)
	}
	return f, nil
}

// markName names a file in the checkpoint: seen from there, so that a directory may
// be moved as a whole.
func (j *fetchJob) markName(path string) string {
	if j.files.checkpoint == "" {
		return ""
	}
	name, err := filepath.Rel(filepath.Dir(canonical(j.files.checkpoint)), canonical(path))
	if err != nil {
		return canonical(path)
	}
	return filepath.ToSlash(name)
}

func (j *fetchJob) markOf(f *appendfile.File) string {
	if !f.Regular() {
		return ""
	}
	return j.markName(f.Path())
}

func orStream(name string) string {
	if name == "" {
		return "a stream"
	}
	return name
}

func newRowWriter(out *appendfile.File, f format, details bool) rowWriter {
	if details {
		return rowsOf(out, f, reportView(), func(b *client.Batch) []*asleep.Report { return b.Reports })
	}
	return rowsOf(out, f, summaryView(), func(b *client.Batch) []asleep.SessionSummary { return b.Sessions })
}

// rowsOf writes the values of a user in a format, as the view shows them.
func rowsOf[T any](out *appendfile.File, f format, v view[owned[T]], values func(*client.Batch) []T) rowWriter {
	each := func(b *client.Batch, put func(owned[T]) error) error {
		for _, value := range values(b) {
			if err := put(owned[T]{b.User, value}); err != nil {
				return err
			}
		}
		return nil
	}
	if f == formatCSV {
		w := csv.NewWriter(out)
		flush := func() error { w.Flush(); return w.Error() }
		return rowWriter{
			header: func() error { return errors.Join(w.Write(titles(v.csv)), flush()) },
			user: func(b *client.Batch) error {
				err := each(b, func(o owned[T]) error { return w.Write(texts(v.csv, o)) })
				return errors.Join(err, flush())
			},
		}
	}
	w := ndjson.NewWriter(out)
	return rowWriter{
		header: func() error { return nil },
		user: func(b *client.Batch) error {
			return each(b, func(o owned[T]) error { return w.Object(v.json(o)) })
		},
	}
}

// put takes the result of a user.
func (s *fetchSink) put(b *client.Batch, failed func() failure) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(); err != nil {
		return err
	}
	var err error
	if b.Err == nil && s.store != nil {
		if err := s.store.add(b); err != nil {
			return err
		}
	}
	if b.Err == nil {
		err = writeGroup(s.out, func() error { return s.rows.user(b) })
	} else {
		err = writeGroup(s.errs, func() error {
			line, err := failed().line()
			if err == nil {
				_, err = s.errs.Write(line)
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	s.state.Token, s.dirty = b.Token, true
	return nil
}

// writeGroup writes whole lines or nothing.
func writeGroup(f *appendfile.File, write func() error) error {
	if err := write(); err != nil {
		f.Unmark()
		return writeError(f, err)
	}
	return writeError(f, f.Mark())
}

func writeError(f *appendfile.File, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s could not be written: %w", f.Path(), err)
}

// begin makes the files ready for the first result. An old checkpoint is gone
// before the content it speaks of is, and the new one is there before any.
func (s *fetchSink) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	if s.path != "" && !s.resume {
		if err := checkpoint.Retire(s.path); err != nil {
			return err
		}
	}
	for _, f := range []*appendfile.File{s.out, s.errs} {
		if err := f.Begin(); err != nil {
			return writeError(f, err)
		}
	}
	if s.out.Size() == 0 && (s.state.Token.IsZero() || s.out.Regular()) {
		if err := writeGroup(s.out, s.rows.header); err != nil {
			return err
		}
	}
	return s.persist()
}

// save makes durable what was taken so far, and then the checkpoint.
func (s *fetchSink) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty {
		return nil
	}
	return s.persist()
}

func (s *fetchSink) persist() error {
	if s.store != nil {
		if err := s.store.flush(); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		file *appendfile.File
		mark *checkpoint.Mark
	}{{s.out, &s.state.Output}, {s.errs, &s.state.Errors}} {
		size, err := f.file.Sync()
		if err != nil {
			return writeError(f.file, err)
		}
		if f.file.Regular() {
			f.mark.Bytes = size
		}
	}
	if s.path != "" {
		if err := s.state.Save(s.path); err != nil {
			return fmt.Errorf("the checkpoint could not be saved: %w", err)
		}
	}
	s.dirty = false
	return nil
}

// finish ends the writing. Of a complete fetch the checkpoint is retired; an
// incomplete one that has no result leaves everything as it found it.
func (s *fetchSink) finish(complete bool) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if complete {
		err = s.begin()
	}
	if err == nil && s.dirty {
		err = s.persist()
	}
	if err == nil && complete && s.path != "" {
		err = checkpoint.Retire(s.path)
	}
	if !complete && !s.begun {
		err = errors.Join(err, s.out.Discard())
	} else {
		err = errors.Join(err, s.out.Close())
	}
	err = errors.Join(err, s.errs.Discard())
	if s.store != nil {
		err = errors.Join(err, s.store.close())
	}
	s.release()
	return err
}

// discard gives up a sink that has not begun.
func (s *fetchSink) discard() {
	for _, f := range []*appendfile.File{s.out, s.errs} {
		if f != nil {
			_ = f.Discard()
		}
	}
	if s.store != nil {
		_ = s.store.close()
		s.store = nil
	}
	s.release()
}

func (s *fetchSink) release() {
	for _, l := range s.locks {
		l.Release()
	}
	s.locks = nil
}
