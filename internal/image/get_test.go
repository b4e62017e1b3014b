package image_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/image"
)

// tap is a registry with one image, whose layer is sent by half until opened is closed.
type tap struct {
	*host
	digest  string
	running chan struct{} // a value for each download of the layer that has sent its half
	opened  chan struct{}
	gone    chan struct{} // a value for each whose client has left before
}

func newTap(t *testing.T) *tap {
	t.Helper()
	p := &tap{running: make(chan struct{}, 100), opened: make(chan struct{}), gone: make(chan struct{}, 100)}
	im := build(t, nil, layerOf(t, entries{"etc/content", noise(300_000)}.tar(t)))
	layers, _ := im.Layers()
	d, _ := layers[0].Digest()
	body := compressed(t, layers[0])
	p.host = newHost(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/blobs/"+d.String()) {
			return false
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		p.running <- struct{}{}
		select {
		case <-p.opened:
			_, _ = w.Write(body[len(body)/2:])
		case <-r.Context().Done():
			p.gone <- struct{}{}
		}
		return true
	})
	p.digest = p.push(t, "app", im)
	return p
}

func TestConcurrentGetsUnpackOnce(t *testing.T) {
	t.Parallel()
	for _, signed := range []bool{true, false} {
		t.Run(map[bool]string{true: "signed", false: "not signed"}[signed], func(t *testing.T) {
			t.Parallel()
			const callers = 20
			p := newTap(t)
			dir := filepath.Join(t.TempDir(), "images")
			s := open(t, image.Config{Dir: dir, MaxBytes: 1})
			ref := reference(t, p.location("app"))
			if signed {
				ref.Digest = p.digest
			}
			images := make([]*image.Image, callers)
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					m, err := s.Get(t.Context(), ref)
					if err != nil {
						t.Errorf("get: %v", err)
						return
					}
					images[i] = m
				})
			}
			<-p.running
			if signed {
				eventually(t, "all callers wait", func() bool { return s.Waiters(ref.Digest) == callers })
			}
			close(p.opened)
			wg.Wait()
			if t.Failed() {
				t.FailNow()
			}
			if len(p.running) > 0 {
				t.Errorf("the layer was downloaded %d times", 1+len(p.running))
			}
			for _, m := range images {
				if m.Root() != images[0].Root() || m.Digest() != p.digest {
					t.Errorf("root = %s of %s", m.Root(), m.Digest())
				}
				wantStored(t, dir, p.digest) // each has a pin of its own: the limit is 1 byte
				m.Release()
				m.Release()
			}
			eventually(t, "the image is evicted", func() bool { return len(list(t, dir)) == 0 })
		})
	}
}

func TestCallerWhoLeavesDoesNotBreakWaiter(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	s := open(t, image.Config{})
	ref := reference(t, p.location("app"), p.digest)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	leader := make(chan error)
	go func() {
		_, err := s.Get(ctx, ref)
		leader <- err
	}()
	<-p.running
	waiter := make(chan error)
	go func() {
		m, err := s.Get(t.Context(), ref)
		if err == nil {
			m.Release()
		}
		waiter <- err
	}()
	eventually(t, "two callers wait", func() bool { return s.Waiters(ref.Digest) == 2 })
	leave()
	err := <-leader
	wantCode(t, err, nex.CodeArtifactUnavailable, "given up")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not context.Canceled", err)
	}
	close(p.opened)
	if err := <-waiter; err != nil {
		t.Errorf("the waiter got %v", err)
	}
}

func TestCancelledGetLeavesNothing(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	dir := filepath.Join(t.TempDir(), "images")
	s := open(t, image.Config{Dir: dir})
	for _, digest := range []string{"", p.digest} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := s.Get(ctx, reference(t, p.location("app"), digest))
			done <- err
		}()
		<-p.running
		cancel()
		wantCode(t, <-done, nex.CodeArtifactUnavailable, "given up")
		<-p.gone // the download was ended, not left running
		eventually(t, "what was unpacked is removed", func() bool { return len(list(t, dir)) == 0 })
	}
	close(p.opened)
	get(t, s, reference(t, p.location("app"), p.digest))
}

func TestCloseEndsDownloads(t *testing.T) {
	t.Parallel()
	p := newTap(t)
	dir := filepath.Join(t.TempDir(), "images")
	s := open(t, image.Config{Dir: dir})
	done := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), reference(t, p.location("app"), p.digest))
		done <- err
	}()
	<-p.running
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantStored(t, dir)
	wantCode(t, <-done, nex.CodeArtifactUnavailable, "closed")
	wantCode(t, refuse(t, s, reference(t, p.location("app"))), nex.CodeArtifactUnavailable, "closed")
}

// A caller whose location is wrong must not decide over another who wants the same image from elsewhere.
func TestWaiterTriesItsOwnLocation(t *testing.T) {
	t.Parallel()
	asked, proceed := make(chan struct{}), make(chan struct{})
	var first sync.Once
	h := newHost(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/broken/") {
			return false
		}
		first.Do(func() {
			close(asked)
			<-proceed
		})
		http.NotFound(w, r)
		return true
	})
	digest := h.push(t, "good", simple(t, "one"))
	s := open(t, image.Config{})
	leader := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), reference(t, h.location("broken"), digest))
		leader <- err
	}()
	<-asked
	waiter := make(chan error)
	go func() {
		m, err := s.Get(t.Context(), reference(t, h.location("good"), digest))
		if err == nil {
			m.Release()
		}
		waiter <- err
	}()
	eventually(t, "two callers wait", func() bool { return s.Waiters(digest) == 2 })
	close(proceed)
	wantCode(t, <-leader, nex.CodeArtifactNotFound)
	if err := <-waiter; err != nil {
		t.Errorf("the waiter got %v", err)
	}
}
