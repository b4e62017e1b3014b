package cli

import (
	"io"

	"github.com/alecthomas/kong"
)

// What tests see of the package.
var (
	WorkloadName     = workloadName
	ParseEnvironment = parseEnvironment
	FlagHelp         = flagHelp
	ImageName        = imageName
)

// Mebibyte is an amount of memory as a flag has it.
type Mebibyte = mebibyte

// Keys of the groups of flags.
const (
	GroupGlobal = groupGlobal
	GroupNATS   = groupNATS
)

// Model is the command table as the parser has it.
func Model() (*kong.Application, error) {
	parser, err := newParser(&commands{}, Streams{Out: io.Discard, Err: io.Discard}, func(int) {})
	if err != nil {
		return nil, err
	}
	return parser.Model, nil
}

// Candidates are what completion offers at the end of a line.
func Candidates(line string) ([]string, error) {
	model, err := Model()
	if err != nil {
		return nil, err
	}
	return candidates(model.Node, line), nil
}

// SplitLine cuts a line into words.
var SplitLine = splitLine

// LoadIssuer loads the issuer key as a command with that --issuer does, and returns its public key.
func LoadIssuer(streams Streams, file string, create bool) (string, error) {
	pair, err := issuerFlags{Issuer: file}.issuer(&session{Streams: streams}, create)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// LoadPublisher is like LoadIssuer for the publisher's xkey and --xkey.
func LoadPublisher(streams Streams, file string, create bool) (string, error) {
	pair, err := keyFlags{Xkey: file}.publisher(&session{Streams: streams}, create)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// Report prints a failure and returns the exit code.
var Report = report
