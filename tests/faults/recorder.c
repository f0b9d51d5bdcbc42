/* Records what a process does to files, in order: loaded before the C library (LD_PRELOAD) by test_g_power.py.

   Each record is one write to a file that all processes append to. What is done to a file is recorded after it was
   done, and that a sync begins before it begins: so nothing counts as safe that may not be. RECORD_ROOT is the
   directory that is watched, RECORD_TO the file of records. RECORD_BOOT is read in place of the system's boot id.
   What splice() moves (the output of commands) is not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BOOT "/proc/sys/kernel/random/boot_id"
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

struct header {
  char what;
  char pad[3];
  uint32_t path, data;
  uint64_t inode;
  int64_t at;
} __attribute__((packed));

static int out = -1;
static char root[4096];
static const char *boot;
static int64_t syncs;

__attribute__((constructor)) static void begin(void) {
  const char *to = getenv("RECORD_TO"), *under = getenv("RECORD_ROOT");
  boot = getenv("RECORD_BOOT");
  if (!to || !under) return;
  snprintf(root, sizeof root, "%s/", under);
  int first = REAL(open)(to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  out = fcntl(first, F_DUPFD_CLOEXEC, 500);
  if (out < 0) out = fcntl(first, F_DUPFD_CLOEXEC, 40);
  close(first);
}

static int watched(const char *path) { return out >= 0 && !strncmp(path, root, strlen(root)); }

static void record(char what, const char *path, uint64_t inode, int64_t at, const void *data, size_t size) {
  int kept = errno;
  struct header head = {what, {0}, (uint32_t)strlen(path), (uint32_t)size, inode, at};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, size}};
  if (writev(out, parts, 3) != (ssize_t)(sizeof head + head.path + size)) abort();
  errno = kept;
}

/* The path of a descriptor of a watched file; 0 where it is none. */
static int place(int file, char *path, struct stat *about) {
  char link[64];
  int kept = errno, found = 0;
  if (out >= 0 && file >= 0 && file != out && !fstat(file, about) &&
      (S_ISREG(about->st_mode) || S_ISDIR(about->st_mode))) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, 4095);
    if (length > 0) {
      path[length] = 0;
      size_t end = strlen(root) - 1;
      found = watched(path) || (strlen(path) == end && !strncmp(path, root, end));
    }
  }
  errno = kept;
  return found;
}

static void whole(int directory, const char *name, char *path) {
  char link[64];
  if (name[0] == '/') {
    snprintf(path, 8192, "%s", name);
    return;
  }
  if (directory == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
  else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
  ssize_t length = readlink(link, path, 4095);
  snprintf(path + (length > 0 ? length : 0), 4096, "/%s", name);
}

static int opened(int directory, const char *name, int flags, mode_t mode) {
  static int (*real)(int, const char *, int, ...);
  if (!real) real = REAL(openat);
  if (boot && !strcmp(name, BOOT)) name = boot;
  int there = !(flags & O_CREAT) || !faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW);
  int file = real(directory, name, flags, mode);
  char path[8192];
  struct stat about;
  if (file >= 0 && (!there || flags & O_TRUNC) && place(file, path, &about) && S_ISREG(about.st_mode)) {
    if (!there) record('c', path, about.st_ino, 0, "", 0);
    else record('t', path, about.st_ino, 0, "", 0);
  }
  return file;
}

#define OPEN(name)                                  \
  int name(const char *path, int flags, ...) {      \
    va_list more;                                   \
    va_start(more, flags);                          \
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
    va_end(more);                                   \
    return opened(AT_FDCWD, path, flags, mode);     \
  }
#define OPENAT(name)                                          \
  int name(int directory, const char *path, int flags, ...) { \
    va_list more;                                             \
    va_start(more, flags);                                    \
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
    va_end(more);                                             \
    return opened(directory, path, flags, mode);              \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

static void wrote(int file, const void *data, ssize_t size, int64_t at) {
  char path[4096];
  struct stat about;
  if (size > 0 && place(file, path, &about) && S_ISREG(about.st_mode))
    record('w', path, about.st_ino, at >= 0 ? at : lseek(file, 0, SEEK_CUR) - size, data, (size_t)size);
}

ssize_t write(int file, const void *data, size_t size) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = REAL(write);
  ssize_t done = real(file, data, size);
  wrote(file, data, done, -1);
  return done;
}

#define PWRITE(name, kind)                                              \
  ssize_t name(int file, const void *data, size_t size, kind at) {      \
    static ssize_t (*real)(int, const void *, size_t, kind);            \
    if (!real) real = REAL(name);                                       \
    ssize_t done = real(file, data, size, at);                          \
    wrote(file, data, done, at);                                        \
    return done;                                                        \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, kind)                                                             \
  int name(int file, kind size) {                                                        \
    static int (*real)(int, kind);                                                       \
    if (!real) real = REAL(name);                                                        \
    int failed = real(file, size);                                                       \
    char path[4096];                                                                     \
    struct stat about;                                                                   \
    if (!failed && place(file, path, &about)) record('t', path, about.st_ino, size, "", 0); \
    return failed;                                                                       \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                            \
  int name(int file) {                                                        \
    static int (*real)(int);                                                  \
    if (!real) real = REAL(name);                                             \
    char path[4096];                                                          \
    struct stat about;                                                        \
    int64_t mark = (int64_t)syscall(SYS_gettid) << 32 | __sync_add_and_fetch(&syncs, 1); \
    int here = place(file, path, &about);                                     \
    if (here) record('s', path, about.st_ino, mark, "", 0);                   \
    int failed = real(file);                                                  \
    if (here && !failed) record('S', path, about.st_ino, mark, "", 0);        \
    return failed;                                                            \
  }
SYNC(fsync)
SYNC(fdatasync)

static int named(char what, int directory, const char *name, int failed) {
  char path[8192];
  if (failed || out < 0) return failed;
  whole(directory, name, path);
  if (watched(path)) record(what, path, 0, 0, "", 0);
  return failed;
}

int mkdir(const char *name, mode_t mode) { return named('m', AT_FDCWD, name, REAL(mkdir)(name, mode)); }
int mkdirat(int at, const char *name, mode_t mode) { return named('m', at, name, REAL(mkdirat)(at, name, mode)); }
int rmdir(const char *name) { return named('u', AT_FDCWD, name, REAL(rmdir)(name)); }
int unlink(const char *name) { return named('u', AT_FDCWD, name, REAL(unlink)(name)); }
int unlinkat(int at, const char *name, int flags) { return named('u', at, name, REAL(unlinkat)(at, name, flags)); }

static int moved(int from, const char *old, int to, const char *new, int failed) {
  char before[8192], after[8192];
  if (failed || out < 0) return failed;
  whole(from, old, before);
  whole(to, new, after);
  if (watched(before)) record('n', before, 0, 0, after, strlen(after));
  return failed;
}

int rename(const char *old, const char *new) { return moved(AT_FDCWD, old, AT_FDCWD, new, REAL(rename)(old, new)); }
int renameat(int from, const char *old, int to, const char *new) {
  return moved(from, old, to, new, REAL(renameat)(from, old, to, new));
}
