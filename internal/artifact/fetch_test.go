package artifact_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/artifact"
)

// tap serves one artifact, half of it at once and the rest when it is opened. gone gets a value
// when a client leaves before.
type tap struct {
	body     []byte
	url      string
	client   *http.Client
	requests atomic.Int32
	running  chan struct{} // a value for each request that has sent its half
	opened   chan struct{}
	gone     chan struct{}
}

func newTap(t *testing.T, body []byte) *tap {
	p := &tap{body: body, running: make(chan struct{}, 100), opened: make(chan struct{}), gone: make(chan struct{}, 100)}
	p.url, p.client = serve(t, func(w http.ResponseWriter, r *http.Request) {
		p.requests.Add(1)
		_, _ = w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		p.running <- struct{}{}
		select {
		case <-p.opened:
			_, _ = w.Write(body[len(body)/2:])
		case <-r.Context().Done():
			p.gone <- struct{}{}
		}
	})
	return p
}

func (p *tap) ref(t *testing.T) artifact.Ref {
	return artifact.Ref{Location: location(t, p.url+"/artifact"), Digest: digest(p.body)}
}

func TestConcurrentFetchesDownloadOnce(t *testing.T) {
	t.Parallel()
	const callers = 16
	p := newTap(t, content("abc", 1<<20))
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, MaxBytes: 1, HTTPClient: p.client})
	ref := p.ref(t)
	files := make([]*artifact.File, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			f, err := c.Fetch(t.Context(), ref)
			if err != nil {
				t.Errorf("fetch: %v", err)
				return
			}
			files[i] = f
		})
	}
	eventually(t, "all callers wait", func() bool { return c.Waiters(ref.Digest) == callers })
	close(p.opened)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for i, f := range files {
		wantContent(t, f, p.body) // each has a pin of its own: the limit is 1 byte
		f.Release()
		if i < callers-1 {
			wantFiles(t, dir, ref.Digest)
		}
	}
	wantFiles(t, dir)
	if got := p.requests.Load(); got != 1 {
		t.Errorf("requests = %d, want 1", got)
	}
}

func TestCallerWhoLeavesDoesNotBreakWaiter(t *testing.T) {
	t.Parallel()
	p := newTap(t, content("abc", 1000))
	c := open(t, artifact.Config{HTTPClient: p.client})
	ref := p.ref(t)
	leaderCtx, leave := context.WithCancel(t.Context())
	defer leave()
	leader := make(chan error)
	go func() {
		_, err := c.Fetch(leaderCtx, ref)
		leader <- err
	}()
	<-p.running
	type result struct {
		f   *artifact.File
		err error
	}
	waiter := make(chan result)
	go func() {
		f, err := c.Fetch(t.Context(), ref)
		waiter <- result{f, err}
	}()
	eventually(t, "two callers wait", func() bool { return c.Waiters(ref.Digest) == 2 })
	leave()
	err := <-leader
	wantCode(t, err, nex.CodeArtifactUnavailable, "given up")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not context.Canceled", err)
	}
	close(p.opened)
	r := <-waiter
	if r.err != nil {
		t.Fatalf("the waiter got %v", r.err)
	}
	defer r.f.Release()
	wantContent(t, r.f, p.body)
	if got := p.requests.Load(); got != 1 {
		t.Errorf("requests = %d, want 1", got)
	}
}

func TestCancelledFetchLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newTap(t, content("abc", 1000))
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: p.client})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := c.Fetch(ctx, p.ref(t))
		done <- err
	}()
	<-p.running
	cancel()
	wantCode(t, <-done, nex.CodeArtifactUnavailable)
	<-p.gone // the download was ended, not left running
	eventually(t, "the partial download is removed", func() bool { return len(list(t, dir)) == 0 })

	close(p.opened)
	f := fetch(t, c, p.ref(t))
	defer f.Release()
	wantContent(t, f, p.body)
}

func TestCloseEndsDownloads(t *testing.T) {
	t.Parallel()
	p := newTap(t, content("abc", 1000))
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: p.client})
	done := make(chan error)
	go func() {
		_, err := c.Fetch(t.Context(), p.ref(t))
		done <- err
	}()
	<-p.running
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, dir)
	wantCode(t, <-done, nex.CodeArtifactUnavailable, "closed")
}

// A caller whose location is wrong must not decide over another who wants the same bytes from
// elsewhere, nor one with a smaller limit.
func TestWaiterTriesItsOwnSource(t *testing.T) {
	t.Parallel()
	body := content("abc", 1000)
	tests := []struct {
		name   string
		path   string
		limit  int64
		refuse nex.Code
	}{
		{"other location", "/broken", 0, nex.CodeArtifactUnavailable},
		{"other limit", "/good", 10, nex.CodeArtifactTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			asked, proceed := make(chan struct{}), make(chan struct{})
			var first sync.Once
			url, client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				first.Do(func() {
					close(asked)
					<-proceed
				})
				if r.URL.Path == "/broken" {
					http.Error(w, "broken", http.StatusInternalServerError)
					return
				}
				_, _ = w.Write(body)
			})
			c := open(t, artifact.Config{HTTPClient: client})
			bad := artifact.Ref{Location: location(t, url+tt.path), Digest: digest(body), MaxBytes: tt.limit}
			good := artifact.Ref{Location: location(t, url+"/good"), Digest: digest(body)}
			leader := make(chan error)
			go func() {
				_, err := c.Fetch(t.Context(), bad)
				leader <- err
			}()
			<-asked
			waiter := make(chan error)
			go func() {
				f, err := c.Fetch(t.Context(), good)
				if err == nil {
					f.Release()
				}
				waiter <- err
			}()
			eventually(t, "two callers wait", func() bool { return c.Waiters(good.Digest) == 2 })
			close(proceed)
			wantCode(t, <-leader, tt.refuse)
			if err := <-waiter; err != nil {
				t.Errorf("the waiter got %v", err)
			}
		})
	}
}

func TestLimitHoldsForCachedFile(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, MaxBytes: 100, HTTPClient: lib.client})
	ref := lib.ref(t, 1)
	fetch(t, c, ref).Release()
	ref.MaxBytes = 99
	_, err := c.Fetch(t.Context(), ref)
	wantCode(t, err, nex.CodeArtifactTooLarge, nex.ErrArtifactTooLarge.Message)
	_, err = c.Check(t.Context(), ref)
	wantCode(t, err, nex.CodeArtifactTooLarge)
	fetch(t, c, lib.ref(t, 2)).Release() // the refused fetch has kept no pin
	wantFiles(t, dir, digest(book(2)))
}

func TestCheckUsesCache(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	body := content("abc", 123)
	url, client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = w.Write(body)
	})
	c := open(t, artifact.Config{HTTPClient: client})
	ref := artifact.Ref{Location: location(t, url), Digest: digest(body)}
	fetch(t, c, ref).Release()
	size, err := c.Check(t.Context(), ref)
	if err != nil || size != 123 {
		t.Errorf("check = %d, %v; want 123", size, err)
	}
	if got := requests.Load(); got != 1 {
		t.Errorf("requests = %d, want the 1 of the fetch", got)
	}
}

func TestWrongDigest(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	ref := lib.ref(t, 1)
	ref.Digest = digest(book(2))
	_, err := c.Fetch(t.Context(), ref)
	wantCode(t, err, nex.CodeDigestMismatch, digest(book(1)), digest(book(2)))
	wantFiles(t, dir)
}

func TestUnverifiedIsAlwaysDownloaded(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	ref := lib.ref(t, 1)
	ref.Digest = ""
	one := fetch(t, c, ref)
	two := fetch(t, c, ref)
	wantContent(t, one, book(1))
	wantContent(t, two, book(1))
	lib.wantFetched(t, 1, 2)
	wantFiles(t, dir, digest(book(1)))
	one.Release()
	two.Release()
	fetch(t, c, lib.ref(t, 1)).Release() // it is there under its digest
	lib.wantFetched(t, 1, 2)
}

func TestMalformedRefs(t *testing.T) {
	t.Parallel()
	c := open(t, artifact.Config{AllowFile: true})
	good := nex.Location{Scheme: "https", Host: "localhost", Path: "/x"}
	tests := []struct {
		name string
		ref  artifact.Ref
	}{
		{"a path as digest", artifact.Ref{Location: good, Digest: "../../etc/passwd"}},
		{"upper-case digest", artifact.Ref{Location: good, Digest: string(content("A", 64))}},
		{"short digest", artifact.Ref{Location: good, Digest: string(content("a", 63))}},
		{"no location", artifact.Ref{}},
		{"http", artifact.Ref{Location: nex.Location{Scheme: "http", Host: "localhost", Path: "/x"}}},
		{"opaque", artifact.Ref{Location: nex.Location{Scheme: "https", Host: "localhost", Opaque: "//elsewhere/x"}}},
		{"relative file", artifact.Ref{Location: nex.Location{Scheme: "file", Path: "etc/passwd"}}},
		{"jsdomain with dots", artifact.Ref{Location: nex.Location{Scheme: "nats", Host: "b", Path: "/k"}, JSDomain: "a.b"}},
		{"jsdomain wildcard", artifact.Ref{Location: nex.Location{Scheme: "nats", Host: "b", Path: "/k"}, JSDomain: ">"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Fetch(t.Context(), tt.ref)
			wantCode(t, err, nex.CodeInvalidRequest)
			_, err = c.Check(t.Context(), tt.ref)
			wantCode(t, err, nex.CodeInvalidRequest)
		})
	}
}

// fullDisk has room for some bytes.
type fullDisk struct {
	artifact.PartialFile
	room int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if len(p) <= d.room {
		d.room -= len(p)
		return d.PartialFile.Write(p)
	}
	n, err := d.PartialFile.Write(p[:d.room])
	if err == nil {
		err = &os.PathError{Op: "write", Path: d.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	c.WrapPartials(func(f artifact.PartialFile) artifact.PartialFile { return &fullDisk{f, 10} })
	_, err := c.Fetch(t.Context(), lib.ref(t, 1))
	wantCode(t, err, nex.CodeInternal, "disk", "full")
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v is not ENOSPC", err)
	}
	wantFiles(t, dir)
}

func TestWriteFails(t *testing.T) {
	t.Parallel()
	lib := newLibrary(t)
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, artifact.Config{Dir: dir, HTTPClient: lib.client})
	c.WrapPartials(func(f artifact.PartialFile) artifact.PartialFile {
		_ = f.Close()
		return f
	})
	_, err := c.Fetch(t.Context(), lib.ref(t, 1))
	wantCode(t, err, nex.CodeInternal, "cannot be stored")
	wantFiles(t, dir)
}
