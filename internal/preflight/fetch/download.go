package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	nex "github.com/nex-engine/nex"
	"github.com/nex-engine/nex/internal/config"
)

// maxRedirects bounds how often a server may point elsewhere.
const maxRedirects = 5

// copyBuffer is how much is in memory at a time.
const copyBuffer = 128 << 10

// download writes what lies at the source to a file, and fails if it is not what it should be.
func (c Config) download(ctx context.Context, s Source, t Target, to io.Writer) error {
	if c.Stall == 0 {
		c.Stall = DefaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(c.Stall, func() { cancel(fmt.Errorf("nothing came for %v", c.Stall)) })
	defer stalled.Stop()
	body, size, err := c.open(ctx, s)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	defer body.Close() // only read
	if size > t.MaxBytes {
		return t.tooLarge(s)
	}
	if err := t.room(size); err != nil {
		return err
	}
	sum := sha256.New()
	from := &coming{ctx: ctx, r: io.LimitReader(body, t.MaxBytes+1), size: size, progress: c.Progress, arrived: func() { stalled.Reset(c.Stall) }}
	err = t.fill(to, io.TeeReader(from, sum))
	switch {
	case from.err != nil:
		return s.brokeOff(from.done, size, from.err)
	case err != nil:
		return err
	case from.done > t.MaxBytes:
		return t.tooLarge(s)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, s.SHA256) {
		return fmt.Errorf("what lies at %s has sha256 %s and not %s, so that none of it is kept: name the right one in %s.url, or the digest that its publisher tells in %s.sha256",
			s.Shown(), got, strings.ToLower(s.SHA256), s.Setting, s.Setting)
	}
	return nil
}

// fill copies to a file. The error is that of the file; the reader keeps its own.
func (t Target) fill(to io.Writer, from io.Reader) error {
	w := &sink{w: to}
	_, err := io.CopyBuffer(w, struct{ io.Reader }{from}, make([]byte, copyBuffer))
	if w.err != nil {
		return t.unwritable(w.err)
	}
	return err
}

// sink keeps the error of its writer apart from that of a reader.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	var n int
	n, s.err = s.w.Write(p)
	return n, s.err
}

// coming is what comes from a source.
type coming struct {
	ctx        context.Context
	r          io.Reader
	done, size int64
	progress   func(done, total int64)
	arrived    func()
	err        error // other than the end
}

func (c *coming) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if n > 0 {
		c.arrived()
		c.done += int64(n)
		if c.progress != nil {
			c.progress(c.done, c.size)
		}
	}
	if c.ctx.Err() != nil {
		err = context.Cause(c.ctx)
	} else if err == io.EOF && c.size >= 0 && c.done < c.size {
		err = io.ErrUnexpectedEOF // a file that was cut in the meantime
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// open opens the source. The size is -1 if it is not known.
func (c Config) open(ctx context.Context, s Source) (io.ReadCloser, int64, error) {
	u, err := config.ParseSource(s.URL)
	if err != nil {
		return nil, 0, fmt.Errorf("%s.url cannot be read: %w", s.Setting, err)
	}
	if u.Scheme == "file" {
		return s.openFile(u.Path)
	}
	return c.openURL(ctx, s, u)
}

func (s Source) openFile(path string) (io.ReadCloser, int64, error) {
	info, err := os.Stat(path) // a FIFO would block when it is opened
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s cannot be read (%w): put it there, or change %s.url", path, cause(err), s.Setting)
	}
	return f, info.Size(), nil
}

func (c Config) openURL(ctx context.Context, s Source, u *url.URL) (io.ReadCloser, int64, error) {
	client := http.Client{}
	if c.Client != nil {
		client = *c.Client
	}
	client.CheckRedirect = s.checkRedirect
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, s.unreachable(err)
	}
	req.Header.Set("Accept-Encoding", "identity") // the digest is that of the bytes as they lie there
	req.Header.Set("User-Agent", "nex/"+nex.Version)
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, s.unreachable(err)
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close() // nothing of it is wanted
		return nil, 0, fmt.Errorf("the server answers %d %s to a request for %s: change %s.url", res.StatusCode, http.StatusText(res.StatusCode), s.Shown(), s.Setting)
	}
	return res.Body, res.ContentLength, nil
}

// redirectError is why a redirect is not followed.
type redirectError struct{ text string }

func (e *redirectError) Error() string { return e.text }

func (s Source) checkRedirect(req *http.Request, via []*http.Request) error {
	switch last := via[len(via)-1].URL; {
	case last.Scheme == "https" && req.URL.Scheme != "https":
		return &redirectError{fmt.Sprintf("%s redirects from https to %s: change %s.url", s.Shown(), req.URL.Scheme, s.Setting)}
	case req.URL.Scheme != "https" && req.URL.Scheme != "http":
		return &redirectError{fmt.Sprintf("%s redirects to %s, and not to http or https: change %s.url", s.Shown(), req.URL.Scheme, s.Setting)}
	case len(via) > maxRedirects:
		return &redirectError{fmt.Sprintf("%s redirects more than %d times: change %s.url", s.Shown(), maxRedirects, s.Setting)}
	}
	req.Header.Del("Referer") // the address before may have a secret in it
	return nil
}
