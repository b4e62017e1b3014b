package nex

import (
	"encoding/json"
	"fmt"
	"time"
)

// Streams of a log line.
const (
	StreamStdout = "stdout"
	StreamStderr = "stderr"
	StreamNex    = "nex" // said by node or agent about the workload
)

// MaxLogLine bounds the text of one log line, in bytes; longer lines arrive in pieces.
const MaxLogLine = 16 << 10

// LogRecord is one line of a workload's or a node's log.
type LogRecord struct {
	Text  string `json:"text"`
	Level int    `json:"level"` // a slog.Level
	ID    string `json:"id"`    // workload id

	Stream string    `json:"stream,omitempty"`
	Time   time.Time `json:"time,omitzero"`
	// Seq counts the lines of one run of a workload from 1; a gap means lines were lost on the way.
	Seq uint64 `json:"seq,omitempty"`
	// Run names the run of the workload that Seq counts in, so that (Run, Seq) names a line: who has seen
	// a higher Seq of the run has seen this line. Empty in a node's own log.
	Run string `json:"run,omitempty"`
}

// DecodeLogRecord parses a log line.
func DecodeLogRecord(body []byte) (LogRecord, error) {
	var r LogRecord
	if err := json.Unmarshal(body, &r); err != nil {
		return LogRecord{}, fmt.Errorf("the log line is malformed: %w", err)
	}
	return r, nil
}

// LogsRequest is the body of LOGS: the lines that the node still keeps of a namespace's workloads.
type LogsRequest struct {
	// Workload is an id or a name; empty means all of the namespace.
	Workload string `json:"workload,omitempty"`
	// Lines bounds the answer to the last so many lines; 0 means [DefaultLogLines].
	Lines int `json:"lines,omitempty"`
}

// Bounds of a LogsRequest.
const (
	DefaultLogLines = 100
	MaxLogLines     = 1000
)

// DecodeLogsRequest parses the body of LOGS, which may be empty.
func DecodeLogsRequest(body []byte) (*LogsRequest, error) {
	var r LogsRequest
	if err := decodeOptionalBody(body, &r); err != nil {
		return nil, err
	}
	if r.Lines < 0 || r.Lines > MaxLogLines {
		return nil, Errorf(CodeInvalidRequest, "invalid logs request: lines must be between 0 and %d", MaxLogLines)
	}
	if r.Lines == 0 {
		r.Lines = DefaultLogLines
	}
	return &r, nil
}

// LogsResponse is the answer to LOGS, oldest line first.
type LogsResponse struct {
	Lines []LogLine `json:"lines"`
}

// LogLine is a log line together with the name of its workload.
type LogLine struct {
	Workload string `json:"workload"`
	LogRecord
}
