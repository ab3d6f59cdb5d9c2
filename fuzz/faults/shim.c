/* Lets one file-system call of a program fail, or kills the program there.
 *
 * Built as a shared library and named in LD_PRELOAD. Settings, all in the environment:
 *
 *   FAULT_BELOW  only calls on paths below this folder count (absolute, without links)
 *   FAULT_AT     number of the call, from 1; 0 disturbs nothing
 *   FAULT_KIND   "kill", or the number of an error that the call fails with once
 *   FAULT_COUNT  file that gets the number of calls when the program ends
 *
 * A call that is killed has not happened, except for a write: half of its bytes are written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int starts_below(const char *path) {
    const char *folder = setting("FAULT_BELOW");
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int file_is_below(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return starts_below(path);
}

/* A relative path is below if the folder that it starts from is. */
static int path_is_below(int folder, const char *path) {
    if (path[0] == '/') return starts_below(path);
    if (folder != AT_FDCWD) return file_is_below(folder);
    char here[PATH_MAX];
    return getcwd(here, sizeof here) && starts_below(here);
}

static int is_killer(void) { return !strcmp(setting("FAULT_KIND"), "kill"); }

static int is_the_call(int below) {
    return below && atomic_fetch_add(&calls, 1) + 1 == atol(setting("FAULT_AT"));
}

static void kill_here(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether this call fails; errno is then set. */
static int fails(int below) {
    int before = errno;
    if (!is_the_call(below)) {
        errno = before;
        return 0;
    }
    if (is_killer()) kill_here();
    errno = atoi(setting("FAULT_KIND"));
    return 1;
}

__attribute__((destructor)) static void write_count(void) {
    const char *path = setting("FAULT_COUNT");
    FILE *file = path[0] ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%ld", (long)calls);
    fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* The mode is only there when a file may be created. */
#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        MODE(flags) \
        return fails(path_is_below(AT_FDCWD, path)) ? -1 : REAL(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        MODE(flags) \
        return fails(path_is_below(folder, path)) ? -1 : REAL(name)(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_PATH(name, more, passed) \
    int name(const char *path more) { \
        return fails(path_is_below(AT_FDCWD, path)) ? -1 : REAL(name)(path passed); \
    }
#define COMMA ,
ON_PATH(creat, COMMA mode_t mode, COMMA mode)
ON_PATH(creat64, COMMA mode_t mode, COMMA mode)
ON_PATH(mkdir, COMMA mode_t mode, COMMA mode)
ON_PATH(rmdir, , )
ON_PATH(unlink, , )
ON_PATH(truncate, COMMA off_t size, COMMA size)
ON_PATH(truncate64, COMMA off64_t size, COMMA size)

int mkdirat(int folder, const char *path, mode_t mode) {
    return fails(path_is_below(folder, path)) ? -1 : REAL(mkdirat)(folder, path, mode);
}

int unlinkat(int folder, const char *path, int flags) {
    return fails(path_is_below(folder, path)) ? -1 : REAL(unlinkat)(folder, path, flags);
}

#define FROM_TO(name) \
    int name(const char *from, const char *to) { \
        int below = path_is_below(AT_FDCWD, from) || path_is_below(AT_FDCWD, to); \
        return fails(below) ? -1 : REAL(name)(from, to); \
    }
FROM_TO(rename)
FROM_TO(link)

int renameat(int source, const char *from, int target, const char *to) {
    int below = path_is_below(source, from) || path_is_below(target, to);
    return fails(below) ? -1 : REAL(renameat)(source, from, target, to);
}

int renameat2(int source, const char *from, int target, const char *to, unsigned flags) {
    int below = path_is_below(source, from) || path_is_below(target, to);
    return fails(below) ? -1 : REAL(renameat2)(source, from, target, to, flags);
}

int linkat(int source, const char *from, int target, const char *to, int flags) {
    int below = path_is_below(source, from) || path_is_below(target, to);
    return fails(below) ? -1 : REAL(linkat)(source, from, target, to, flags);
}

#define ON_FILE(name, result, more, passed) \
    result name(int file more) { \
        return fails(file_is_below(file)) ? -1 : REAL(name)(file passed); \
    }
ON_FILE(fsync, int, , )
ON_FILE(fdatasync, int, , )
ON_FILE(ftruncate, int, COMMA off_t size, COMMA size)
ON_FILE(ftruncate64, int, COMMA off64_t size, COMMA size)
ON_FILE(read, ssize_t, COMMA void *bytes COMMA size_t count, COMMA bytes COMMA count)
ON_FILE(readv, ssize_t, COMMA const struct iovec *parts COMMA int count, COMMA parts COMMA count)
ON_FILE(pread, ssize_t, COMMA void *bytes COMMA size_t count COMMA off_t at,
        COMMA bytes COMMA count COMMA at)
ON_FILE(pread64, ssize_t, COMMA void *bytes COMMA size_t count COMMA off64_t at,
        COMMA bytes COMMA count COMMA at)
ON_FILE(writev, ssize_t, COMMA const struct iovec *parts COMMA int count, COMMA parts COMMA count)

/* Writes half and is killed, fails, or writes. */
#define WRITE(name, more, passed) \
    ssize_t name(int file, const void *bytes, size_t count more) { \
        int before = errno; \
        if (is_the_call(file_is_below(file))) { \
            if (is_killer()) { \
                REAL(name)(file, bytes, count / 2 passed); \
                kill_here(); \
            } \
            errno = atoi(setting("FAULT_KIND")); \
            return -1; \
        } \
        errno = before; \
        return REAL(name)(file, bytes, count passed); \
    }
WRITE(write, , )
WRITE(pwrite, COMMA off_t at, COMMA at)
WRITE(pwrite64, COMMA off64_t at, COMMA at)

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t count, unsigned flags) {
    int below = file_is_below(from) || file_is_below(to);
    return fails(below) ? -1 : REAL(copy_file_range)(from, at, to, there, count, flags);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t count) {
    ssize_t (*real)(int, int, off64_t *, size_t) = dlsym(RTLD_NEXT, "sendfile64");
    return fails(file_is_below(from) || file_is_below(to)) ? -1 : real(to, from, at, count);
}
