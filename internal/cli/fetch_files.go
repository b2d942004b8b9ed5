package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/asleep-sdk/asleep/internal/filelock"
)

// fetchFiles are the names of the files of a fetch; empty: none.
type fetchFiles struct {
	users, out, errors, checkpoint, store string
}

// files settles the names, and notes those that are one and the same file.
func (o *fetchOptions) files(db *database) fetchFiles {
	f := fetchFiles{out: o.out, errors: o.errorFile, checkpoint: o.checkpoint}
	if db != nil {
		f.store = db.file
	}
	if f.out == "-" {
		f.out = ""
	}
	if o.usersFile != "-" {
		f.users = o.usersFile
	}
	if o.noResume && o.checkpoint != "" {
		o.app.problem(o.app.origin("no-resume").label, "does not go together with %s: give one of them", o.app.origin("checkpoint").label)
	}
	if f.out != "" && plain(f.out) {
		if f.errors == "" {
			f.errors = f.out + ".errors.ndjson"
		}
		if f.checkpoint == "" && !o.noResume {
			f.checkpoint = f.out + ".checkpoint"
		}
	}
	if f.store != "" && !o.lines() && f.checkpoint == "" && !o.noResume {
		f.checkpoint = f.store + ".fetch.checkpoint"
	}
	if f.checkpoint != "" && !plain(f.checkpoint) {
		o.app.problem(o.app.origin("checkpoint").label, "%s is no file that could be replaced: name another", f.checkpoint)
	}
	o.noteSame(f)
	o.noteUnwritable("out", f.out)
	o.noteUnwritable("error-file", o.errorFile)
	o.noteUnwritable("checkpoint", o.checkpoint)
	return f
}

// noteUnwritable tells what can be told of a path without opening it, so that it is
// said together with everything else.
func (o *fetchOptions) noteUnwritable(flag, path string) {
	if path == "" {
		return
	}
	label := o.app.origin(flag).label
	if isDirectory(path) {
		o.app.problem(label, "%s is a directory: name a file", path)
	}
	if dir := filepath.Dir(path); !isDirectory(dir) {
		o.app.problem(label, "%s cannot be written: the directory %s does not exist: make it, or name another file", path, dir)
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// plain reports whether a path is a regular file, or nothing yet.
func plain(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

func (o *fetchOptions) noteSame(f fetchFiles) {
	roles := []struct{ flag, path string }{
		{"users-file", f.users},
		{"out", f.out},
		{"error-file", f.errors},
		{"checkpoint", f.checkpoint},
		{"store", f.store},
	}
	for i, a := range roles {
		for _, b := range roles[i+1:] {
			if a.path != "" && b.path != "" && sameFile(a.path, b.path) {
				o.app.problem("--"+b.flag, "%s is the same file as --%s %s: name another", b.path, a.flag, a.path)
			}
		}
	}
}

// sameFile reports whether two names lead to one file, also through links, or
// would once it is made. Devices may serve twice.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
	}
	return errA != nil && errB != nil && canonical(a) == canonical(b)
}

// canonical is the absolute name of a file that may not exist yet, with all links
// resolved. A link that leads nowhere is followed too.
func canonical(path string) string {
	for range 40 {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return filepath.Clean(path)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return abs
	}
	return filepath.Join(dir, filepath.Base(abs))
}

// lock keeps other runs from the files that this one writes. The locks are
// nobody's once the process has ended, however it ended.
func (f fetchFiles) lock() (locks []*filelock.Lock, err error) {
	for _, path := range []string{f.checkpoint, f.out, f.errors} {
		if path == "" || !plain(path) {
			continue
		}
		l, err := filelock.Take(canonical(path)) // whatever link led here
		if err == nil {
			locks = append(locks, l)
			continue
		}
		for _, l := range locks {
			l.Release()
		}
		if errors.Is(err, filelock.ErrHeld) {
			return nil, fileProblem(path, "is being written by another run: wait for it, or write to other files")
		}
		return nil, unwritable(path, err)
	}
	return locks, nil
}

// unwritable is the error of a file that cannot be opened for writing.
func unwritable(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fileProblem(path, "cannot be written: the directory "+filepath.Dir(path)+" does not exist: make it, or name another file")
	}
	reason := err
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pathErr.Err
	}
	return fileProblem(path, "cannot be written: "+reason.Error()+": name a file that can")
}

// fileProblem is a usage error about a file.
func fileProblem(path, text string) error {
	return usageError(errors.New(path + " " + text))
}
