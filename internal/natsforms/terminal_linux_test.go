package natsforms_test

// This file is about where commands of the document are typed.

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/nex-engine/nex/internal/natsconn"
	"github.com/nex-engine/nex/internal/nextest"
)

// terminal is where a user of a form types commands: it is in the form's folder, has a home of its own, and
// variables that commands may have set.
type terminal struct {
	*form
	env map[string]string
}

// terminal opens one. Of the variables of the tests it has PATH alone.
func (f *form) terminal() *terminal {
	home := f.t.TempDir()
	return &terminal{form: f, env: map[string]string{
		"PATH": binDir + ":" + os.Getenv("PATH"), "HOME": home, "XDG_CONFIG_HOME": filepath.Join(home, ".config"),
		"XDG_DATA_HOME": filepath.Join(home, ".local", "share"), "NO_COLOR": "1",
	}}
}

// set sets a variable.
func (tt *terminal) set(name, value string) { tt.env[name] = value }

// run runs a block of commands, and returns what they print to standard output. What they export is there for the
// commands that follow, and a variable that they unset is not. The secrets that they have made are their owner's alone.
func (tt *terminal) run(name string) string {
	tt.t.Helper()
	const after = ".environment"
	cmd := tt.command("sh", "-ec", "umask 022\n"+block(tt.t, name)+"\nenv -0 >\"$HOME/"+after+"\"")
	output, log, err := tt.finish(cmd)
	if err != nil {
		tt.t.Fatalf("%s: %v\n%s%s", name, err, output, log)
	}
	content, err := os.ReadFile(filepath.Join(tt.env["HOME"], after))
	must(tt.t, err)
	clear(tt.env)
	for _, line := range strings.Split(string(content), "\x00") {
		if name, value, ok := strings.Cut(line, "="); ok {
			tt.env[name] = value
		}
	}
	tt.keepsSecrets()
	return output
}

// keepsSecrets checks that nobody but their owner can read the seeds, keys, credentials and contexts that there are.
func (tt *terminal) keepsSecrets() {
	tt.t.Helper()
	for _, pattern := range []string{tt.path("*.nk"), tt.path("*-key.pem"), tt.path("*.creds"), filepath.Join(tt.env["XDG_CONFIG_HOME"], "nats", "context", "*.json")} {
		files, err := filepath.Glob(pattern)
		must(tt.t, err)
		for _, f := range files {
			info, err := os.Stat(f)
			must(tt.t, err)
			if info.Mode().Perm()&0o077 != 0 {
				tt.t.Errorf("%s has the mode %v: others can read it", f, info.Mode())
			}
		}
	}
}

// start starts the one command of a block, which is nex up or nex node up, and waits until it is ready. The flags
// come on top of --json and --no-sandbox. It ends with the form, and then with status 0.
func (tt *terminal) start(name string, flags ...string) *nextest.Process {
	tt.t.Helper()
	return tt.startAll([]string{name}, flags...)[0]
}

// startAll starts the commands of several blocks, which may wait for each other.
func (tt *terminal) startAll(names []string, flags ...string) []*nextest.Process {
	tt.t.Helper()
	var started []*nextest.Process
	for _, name := range names {
		text := strings.Join(append([]string{"exec", strings.TrimSpace(block(tt.t, name)), "--json"}, flags...), " ")
		if !strings.Contains(text, "--no-sandbox") {
			text += " --no-sandbox"
		}
		started = append(started, tt.background(tt.command("sh", "-c", text)))
	}
	for i, p := range started {
		if err := p.AwaitReady(); err != nil {
			tt.t.Fatalf("%s: %v", names[i], err)
		}
	}
	return started
}

// background starts a command that is told to end with the form, and must then end with status 0.
func (tt *terminal) background(cmd *exec.Cmd) *nextest.Process {
	tt.t.Helper()
	p, err := tt.place.start(cmd)
	must(tt.t, err)
	tt.t.Cleanup(func() {
		err := p.Stop()
		if err != nil {
			tt.t.Errorf("%s: %v", cmd, err)
		}
		if tt.t.Failed() {
			tt.t.Logf("%s:\n%s%s", cmd, p.Output(), p.Log())
		}
	})
	return p
}

// aside starts a command that is killed with the form, if it has not ended before.
func (tt *terminal) aside(program string, args ...string) *nextest.Process {
	tt.t.Helper()
	p, err := tt.place.start(tt.command(program, args...))
	must(tt.t, err)
	tt.t.Cleanup(p.Kill)
	return p
}

// command makes a command of this terminal.
func (tt *terminal) command(program string, args ...string) *exec.Cmd {
	if path := filepath.Join(binDir, program); program == filepath.Base(program) && exists(path) {
		program = path
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = tt.dir
	cmd.Env = nextest.Environ()
	for _, name := range slices.Sorted(maps.Keys(tt.env)) {
		cmd.Env = append(cmd.Env, name+"="+tt.env[name])
	}
	return cmd
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// finish runs a command to its end, which it must find before patience does, and returns what it has printed to
// standard output and to standard error.
func (tt *terminal) finish(cmd *exec.Cmd) (output, log string, err error) {
	tt.t.Helper()
	p, err := tt.place.start(cmd)
	must(tt.t, err)
	ctx, cancel := context.WithTimeout(tt.t.Context(), nextest.Patience)
	defer cancel()
	select {
	case <-p.Done():
		err = p.Stop() // it has ended, and this is how
	case <-ctx.Done():
		p.Kill()
		err = ctx.Err()
	}
	return p.Output(), p.Log(), err
}

// ok runs a command, which must succeed, and returns its standard output.
func (tt *terminal) ok(program string, args ...string) string {
	tt.t.Helper()
	output, log, err := tt.finish(tt.command(program, args...))
	if err != nil {
		tt.t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, output, log)
	}
	return output
}

// fails runs a command, which must fail, and returns all that it has printed.
func (tt *terminal) fails(program string, args ...string) string {
	tt.t.Helper()
	output, log, err := tt.finish(tt.command(program, args...))
	if err == nil {
		tt.t.Errorf("%s %s: it should have failed\n%s%s", program, strings.Join(args, " "), output, log)
	}
	return output + log
}

// settings are the connection settings that the variables of the terminal say, for use in this process: with the
// paths of files made absolute.
func (tt *terminal) settings() natsconn.Settings {
	tt.t.Helper()
	s := natsconn.Settings{NoContext: tt.env["NATS_CONTEXT"] == ""}
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		value := tt.env[fields.Type().Field(i).Tag.Get("env")]
		if value == "" {
			continue
		}
		switch field := fields.Field(i); {
		case field.Type() == reflect.TypeFor[time.Duration]():
			d, err := time.ParseDuration(value)
			must(tt.t, err)
			field.SetInt(int64(d))
		case field.Kind() == reflect.String:
			if path := tt.path(value); exists(path) && !filepath.IsAbs(value) {
				value = path
			}
			field.SetString(value)
		case field.Kind() == reflect.Bool:
			set, err := strconv.ParseBool(value)
			must(tt.t, err)
			field.SetBool(set)
		default:
			tt.t.Fatalf("%s: no way to set a %s", fields.Type().Field(i).Name, field.Kind())
		}
	}
	if s.Context != "" { // contexts are in the home of the terminal
		s.Context = filepath.Join(tt.env["XDG_CONFIG_HOME"], "nats", "context", s.Context+".json")
	}
	return s
}

// dial connects as the variables of the terminal say. The caller closes the connection.
func (tt *terminal) dial(options ...nats.Option) (*nats.Conn, error) {
	return tt.settings().Connect(tt.t.Context(), append([]nats.Option{nats.SetCustomDialer(tt.place)}, options...)...)
}

// connect is dial, which must succeed. The connection ends with the form.
func (tt *terminal) connect(options ...nats.Option) *nats.Conn {
	tt.t.Helper()
	nc, err := tt.dial(options...)
	must(tt.t, err)
	tt.t.Cleanup(nc.Close)
	return nc
}

// with is a terminal with other variables besides, given as NAME=value; with an empty value there is none.
func (tt *terminal) with(variables ...string) *terminal {
	other := &terminal{form: tt.form, env: maps.Clone(tt.env)}
	for _, v := range variables {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			panic(fmt.Sprintf("%q is no variable", v))
		}
		if value == "" {
			delete(other.env, name)
		} else {
			other.env[name] = value
		}
	}
	return other
}
