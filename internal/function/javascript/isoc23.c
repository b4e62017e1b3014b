//go:build cgo && linux && (amd64 || arm64)

// V8's prebuilt library was compiled against glibc 2.38 or later, whose headers send strtol and its
// kind to functions of new names. An older glibc does not have these; they differ from the old ones
// only in that they also read binary numbers ("0b101") where the base is 0 or 2, of which V8 makes
// no use.
//
// The definitions are weak, so that those of a newer glibc win where it is linked statically. The old
// functions are declared here by their linker names, because a header of a newer glibc would send
// these calls to the new names as well, and so to themselves.

#include <stdarg.h>

#define WEAK __attribute__((weak))

extern long plain_strtol(const char *, char **, int) __asm__("strtol");
extern unsigned long plain_strtoul(const char *, char **, int) __asm__("strtoul");
extern long long plain_strtoll(const char *, char **, int) __asm__("strtoll");
extern unsigned long long plain_strtoull(const char *, char **, int) __asm__("strtoull");
extern int plain_vsscanf(const char *, const char *, va_list) __asm__("vsscanf");
extern int plain_vfscanf(void *, const char *, va_list) __asm__("vfscanf");

WEAK long __isoc23_strtol(const char *text, char **end, int base) { return plain_strtol(text, end, base); }

WEAK unsigned long __isoc23_strtoul(const char *text, char **end, int base) { return plain_strtoul(text, end, base); }

WEAK long long __isoc23_strtoll(const char *text, char **end, int base) { return plain_strtoll(text, end, base); }

WEAK unsigned long long __isoc23_strtoull(const char *text, char **end, int base) {
  return plain_strtoull(text, end, base);
}

WEAK int __isoc23_sscanf(const char *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = plain_vsscanf(text, format, args);
  va_end(args);
  return n;
}

WEAK int __isoc23_fscanf(void *file, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = plain_vfscanf(file, format, args);
  va_end(args);
  return n;
}
