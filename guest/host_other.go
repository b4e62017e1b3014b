//go:build !wasip1

package guest

import (
	"fmt"
	"os"
)

func exit(status int) { os.Exit(status) }

func receive() (Call, error) { return Call{}, ErrNotHosted }

func reply(Result) {}

func fail(status int, message string) { fmt.Fprintln(os.Stderr, status, message) }

func logText(_ int, text string) { fmt.Fprintln(os.Stderr, text) }

func request(string, string, []byte, []byte) (answerMeta, answerBody []byte, err error) {
	return nil, nil, ErrNotHosted
}
