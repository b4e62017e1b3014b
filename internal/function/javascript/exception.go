//go:build cgo && linux && (amd64 || arm64)

package javascript

import (
	"encoding/json"

	"github.com/nex-engine/nex/internal/function"
)

// exception makes an error of what the core reports of an exception.
func (p *program) exception(report []byte) error {
	var e struct {
		Message string `json:"message"`
		Stack   string `json:"stack"`
		Code    int    `json:"code"`
	}
	if err := json.Unmarshal(report, &e); err != nil {
		return function.Errorf(function.StatusFailed, "the function failed, and what it threw cannot be read: %s", err.Error())
	}
	if e.Code == 0 {
		e.Code = function.StatusFailed
	}
	message := oneLine(e.Message)
	if message == "" {
		message = "the function failed and does not say why"
	}
	return &function.Error{Status: e.Code, Message: message, Stack: p.frames.stack(e.Stack)}
}
