package checklist_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/nex-engine/nex/internal/preflight/checklist"
)

func TestBlocking(t *testing.T) {
	t.Parallel()
	item := checklist.Item{Name: "a"}
	optional := checklist.Item{Name: "b", Optional: true}
	tests := []struct {
		name  string
		items []checklist.Item
		want  int
	}{
		{"nothing", nil, 0},
		{"found", []checklist.Item{item.Found(), optional.Found()}, 0},
		{"optional missing", []checklist.Item{item.Found(), optional.Missing("x")}, 0},
		{"missing", []checklist.Item{item.Missing("x"), optional.Missing("x"), item.Unless(errors.New("y"))}, 2},
		{"no error", []checklist.Item{item.Unless(nil)}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := checklist.NewGroup("g")
			g.Add(tt.items...)
			if got := checklist.Blocking([]checklist.Group{g, checklist.NewGroup("empty")}); got != tt.want {
				t.Errorf("Blocking = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestFoundForgetsWhatToDo(t *testing.T) {
	t.Parallel()
	if got := (checklist.Item{}).Missing("x").Found(); !got.OK || got.Do != "" {
		t.Errorf("found = %+v, want it OK with nothing to do", got)
	}
}

// Programs read this.
func TestJSON(t *testing.T) {
	t.Parallel()
	g := checklist.NewGroup("Title", "/dir")
	g.Add(checklist.Item{Name: "n", Path: "/p", Description: "d"}.Missing("x"), checklist.Item{Name: "m", Optional: true}.Found())
	tests := []struct {
		name  string
		group checklist.Group
		want  string
	}{
		{"empty", checklist.NewGroup("Title"), `{"title":"Title","dirs":[],"items":[]}`},
		{"items", g, `{"title":"Title","dirs":["/dir"],"items":[` +
			`{"name":"n","ok":false,"optional":false,"path":"/p","description":"d","do":"x"},` +
			`{"name":"m","ok":true,"optional":true,"path":"","description":""}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tt.group)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("JSON = %s\nwant   %s", got, tt.want)
			}
		})
	}
}
