package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/asleep-sdk/asleep/store"
)

type storeBackupOptions struct {
	app  *app
	file string
}

func newStoreBackupCommand(a *app) *cobra.Command {
	o := &storeBackupOptions{app: a}
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the store to a new file",
		Long: `Write a consistent copy of the store to a new file, also while other processes
write to it. What was acknowledged before is in it. The copy is a database of its
own: DATABASE_URL=sqlite:FILE reads it. Payloads stay encrypted as they are.

A file that exists is never replaced, and a copy that was cut off never has the
name FILE.

Servers have their own tools: for PostgreSQL and MongoDB this names them, pg_dump and
mongodump, and exits with 2. "asleep store copy" writes a server's sessions to a file.`,
		Example: `  asleep store backup asleep-$(date +%F).db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				a.problem("FILE", "is missing: name a file for the copy")
				return o.run(cmd.Context())
			}
			o.file = args[0]
			a.noArguments(args[1:])
			return o.run(cmd.Context())
		},
		Args: cobra.ArbitraryArgs,
	}
}

func (o *storeBackupOptions) run(ctx context.Context) error {
	d := o.app.lastingDatabase()
	if o.file != "" {
		if _, err := os.Lstat(o.file); err == nil {
			o.app.problem("FILE", "%s exists: name another", o.file)
		} else if dir := filepath.Dir(o.file); !isDirectory(dir) {
			o.app.problem("FILE", "%s cannot be written: the directory %s does not exist: make it, or name another file", o.file, dir)
		}
	}
	if err := o.app.refusal(); err != nil {
		return err
	}
	err := d.withStore(ctx, readStore, func(s store.Store) error {
		b, ok := s.(store.Backuper)
		if !ok {
			return usageError(errors.New("the command cannot back up a database of this kind: use the tools that came with it"))
		}
		return backUp(ctx, b, o.file)
	})
	if err != nil {
		return err
	}
	size := int64(0)
	if info, err := os.Stat(o.file); err == nil {
		size = info.Size()
	}
	o.app.note(ctx, fmt.Sprintf("%s was written, %s", o.file, count(size, "byte")), "file", o.file, "bytes", size)
	return nil
}

// backUp writes a copy under another name beside the file, and gives it its name
// once it is whole, unless somebody else has taken the name meanwhile.
func backUp(ctx context.Context, b store.Backuper, path string) (err error) {
	partial := path + ".partial-" + rand.Text()[:8]
	if err := b.Backup(ctx, partial); err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(partial); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	if err := os.Link(partial, path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return err
		}
		// A file system without links: renaming would replace a file that came meanwhile.
		if _, taken := os.Lstat(path); taken == nil {
			return fmt.Errorf("%s: %w", path, fs.ErrExist)
		}
		if err := os.Rename(partial, path); err != nil {
			return err
		}
	}
	return syncDirectory(path)
}

// syncDirectory makes the name of a file durable. Where directories cannot be
// synced the system sees to it itself.
func syncDirectory(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = dir.Sync()
	return dir.Close()
}
