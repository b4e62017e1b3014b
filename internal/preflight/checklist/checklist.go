// Package checklist is what a preflight check finds: groups of things, each of which is there or not.
// It is plain data, without what it takes to find it.
package checklist

import "slices"

// Group is what belongs together, or is looked for in the same places.
type Group struct {
	Title string `json:"title"`
	// Dirs are the places: folders, or the URL of a server. It is never nil.
	Dirs  []string `json:"dirs"`
	Items []Item   `json:"items"`
}

// Item is one thing that a node needs, or would make use of.
type Item struct {
	// Name says for programs what it is; it is the same in every version.
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Optional things may be missing.
	Optional bool `json:"optional"`
	// Note says that it is nothing to be there or not, and that nothing is to be done about it.
	Note bool `json:"note,omitempty"`
	// Path is the file, or whatever else is looked for.
	Path string `json:"path"`
	// Description says for people what it is.
	Description string `json:"description"`
	// Do says what is wrong and the one thing to do about it, or what there is to say of a Note. It is
	// empty if OK.
	Do string `json:"do,omitempty"`
	// Damaged says that there is something at Path that cannot be what it should be.
	Damaged bool `json:"damaged,omitempty"`
	// Download is where it can be got if it is missing or damaged, for people; empty if nobody says where.
	Download string `json:"download,omitempty"`
}

// Blocks reports whether the item keeps a node from starting.
func (i Item) Blocks() bool { return !i.OK && !i.Optional }

// Found returns the item as one that is there.
func (i Item) Found() Item {
	i.OK, i.Do = true, ""
	return i
}

// Missing returns the item as one that is not there, and says what to do about that.
func (i Item) Missing(do string) Item {
	i.OK, i.Do = false, do
	return i
}

// Noted returns the item as one that only has something to say.
func (i Item) Noted(text string) Item {
	i.OK, i.Optional, i.Note, i.Do = false, true, true, text
	return i
}

// Unless returns the item as found if err is nil, and else as missing, with err as what to do.
func (i Item) Unless(err error) Item {
	if err == nil {
		return i.Found()
	}
	return i.Missing(err.Error())
}

// NewGroup makes a group.
func NewGroup(title string, dirs ...string) Group {
	return Group{Title: title, Dirs: append([]string{}, dirs...), Items: []Item{}}
}

// Add appends items to the group.
func (g *Group) Add(items ...Item) { g.Items = append(g.Items, items...) }

// Satisfied reports whether the group has the item of that name, and it is OK.
func (g Group) Satisfied(name string) bool {
	return slices.ContainsFunc(g.Items, func(i Item) bool { return i.Name == name && i.OK })
}

// Lacks reports whether the group has the item of that name, and a node that needs it does not start.
func (g Group) Lacks(name string) bool {
	return slices.ContainsFunc(g.Items, func(i Item) bool { return i.Name == name && i.Blocks() })
}

// AllOptional makes each item one that may be missing.
func (g Group) AllOptional() {
	for i := range g.Items {
		g.Items[i].Optional = true
	}
}

// Blocking counts the items that keep a node from starting.
func Blocking(groups []Group) int {
	n := 0
	for _, g := range groups {
		for _, i := range g.Items {
			if i.Blocks() {
				n++
			}
		}
	}
	return n
}
