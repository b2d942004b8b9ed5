package bench

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// syncDelay is what every sync of a file takes longer, in nanoseconds: in SQLite,
// ours and the baseline's, and in those that this program makes itself.
var syncDelay atomic.Int64

// slowSyncs makes every sync take so much longer until restore is called. A disk
// that syncs slowly is nothing that a program can bring about otherwise without
// being root, or without slowing all its other system calls, as a tracer does.
func slowSyncs(by time.Duration) (restore func(), err error) {
	if err := installSlowSync(); err != nil {
		return nil, err
	}
	syncDelay.Store(int64(by))
	return func() { syncDelay.Store(0) }, nil
}

// delay is the slow part of a sync, which nothing can cut short.
func delay() {
	time.Sleep(time.Duration(syncDelay.Load())) //nolint:forbidigo // a disk knows no context
}

// syncFile syncs a file as slowly as SQLite does.
func syncFile(f *os.File) error {
	delay()
	return f.Sync()
}

// SQLite reaches the system through a table of functions, its VFS. Ours is a copy
// of the default one, and becomes the default itself; the files that it opens get
// a copy of their table of methods in which only xSync is another. Everything is
// in memory of C, as SQLite keeps pointers to it.
var (
	systemOpen uintptr  // xOpen of the default VFS
	methods    sync.Map // from the table of the system to our copy, and back to its xSync
	installed  = sync.OnceValue(install)
)

func installSlowSync() error { return installed() }

func install() error {
	tls := libc.NewTLS()
	defer tls.Close()
	system := sqlite3.Xsqlite3_vfs_find(tls, 0)
	if system == 0 {
		return notMeasured("SQLite has no VFS here")
	}
	name, err := libc.CString("slow-sync")
	if err != nil {
		return err
	}
	size := unsafe.Sizeof(sqlite3.Tsqlite3_vfs{})
	ours := libc.Xmalloc(tls, libc.Tsize_t(size))
	if ours == 0 {
		return notMeasured("no memory for a VFS")
	}
	vfs := at[sqlite3.Tsqlite3_vfs](ours)
	*vfs = *at[sqlite3.Tsqlite3_vfs](system)
	systemOpen = vfs.FxOpen
	vfs.FzName, vfs.FpNext, vfs.FxOpen = name, 0, pointer(openSlowly)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, ours, 1); rc != sqlite3.SQLITE_OK {
		return notMeasured("SQLite takes no other VFS")
	}
	return nil
}

// openSlowly is xOpen.
func openSlowly(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	open := function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](systemOpen)
	rc := open(tls, vfs, name, file, flags, outFlags)
	f := at[sqlite3.Tsqlite3_file](file)
	if f.FpMethods == 0 {
		return rc
	}
	ours, known := methods.Load(f.FpMethods)
	if !known {
		copied := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(sqlite3.Tsqlite3_io_methods{})))
		if copied == 0 {
			return rc
		}
		table := at[sqlite3.Tsqlite3_io_methods](copied)
		*table = *at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
		methods.Store(copied, table.FxSync)
		table.FxSync = pointer(syncSlowly)
		methods.Store(f.FpMethods, copied)
		ours = copied
	}
	f.FpMethods, _ = ours.(uintptr)
	return rc
}

// syncSlowly is xSync.
func syncSlowly(tls *libc.TLS, file uintptr, flags int32) int32 {
	delay()
	found, _ := methods.Load(at[sqlite3.Tsqlite3_file](file).FpMethods)
	system, _ := found.(uintptr)
	return function[func(*libc.TLS, uintptr, int32) int32](system)(tls, file, flags)
}

// at is the value of C at an address.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) } //nolint:gosec // memory of C

// pointer is how translated C calls a function, which must be one of a package.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f})) } //nolint:gosec // as the driver does it

// function is the other way round.
func function[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ p uintptr }{p})) } //nolint:gosec // as the driver does it
