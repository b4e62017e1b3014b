package guest

import "log/slog"

// Log writes to the function's log; a text may have several lines. What goes to os.Stderr is logged
// too, at level error, and a reactor's os.Stdout, at level info.
func Log(level slog.Level, text string) { logText(int(level), text) }
