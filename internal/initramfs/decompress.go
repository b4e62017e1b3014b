package initramfs

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// maxModule bounds a module, in bytes.
const maxModule = 64 << 20

// readModule reads a module, and decompresses it as the end of its name says.
func readModule(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := decompress(f, filepath.Ext(file))
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", file, err)
	}
	return content, nil
}

func decompress(r io.Reader, ending string) ([]byte, error) {
	switch ending {
	case ".ko":
		return readBounded(r)
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return readBounded(z)
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxModule))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return readBounded(z)
	case ".xz":
		return unxz(r)
	}
	return nil, fmt.Errorf("it is compressed in a way that is not known, %s", ending)
}

func readBounded(r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err == nil && len(content) > maxModule {
		err = fmt.Errorf("it has more than %d bytes", maxModule)
	}
	return content, err
}

// unxz decompresses by the program that a machine with such modules is likely to have.
func unxz(r io.Reader) ([]byte, error) {
	path, err := exec.LookPath("xz")
	if err != nil {
		return nil, fmt.Errorf("it takes the program xz: install xz-utils: %w", err)
	}
	var said bytes.Buffer
	cmd := exec.Command(path, "--decompress", "--stdout")
	cmd.Stdin, cmd.Stderr = r, &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	content, err := readBounded(out)
	if err != nil {
		_ = cmd.Process.Kill() // Wait tells how it ended
	}
	if failed := cmd.Wait(); err == nil && failed != nil {
		err = fmt.Errorf("%w: %s", failed, bytes.TrimSpace(said.Bytes()))
	}
	return content, err
}
