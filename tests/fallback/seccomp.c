/*
 * The ring refused by a seccomp filter, as container runtimes do it: `auto` serves by epoll and
 * says why, an explicit choice is an error with the reason.
 */
#define SUITE "seccomp"
#include "tests/fallback/child.h"

#include <aio/directory.h>
#include <aio/file.h>
#include <aio/path.h>
#include <aio/whole.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the filter of the child refuses, and how. Set before the fork. */
static struct {
    unsigned call;
    unsigned error;
} refused;

static void install_filter(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused.call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refused.error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
        return;
    fprintf(stderr, "this system takes no seccomp filter: %s", strerror(errno));
    _exit(CHILD_UNPREPARED);
}

/* Whether both backends are there, which these tests are about. */
static bool have_both(void)
{
    if (backend_works("uring") && backend_works("epoll"))
        return true;
    aio_test_skip("needs both backends");
    return false;
}

static void check_auto(const char *error_name)
{
    struct child child = {.prepare = install_filter, .environment = {"AIO_LOG", "info"}};
    struct outcome outcome = child_run(&child);
    if (!outcome.exited)
        return;
    AIO_CHECK_OK(outcome.rc);
    AIO_CHECK(outcome_chose(&outcome, "epoll"));
    text_has(outcome.out, "uring: ");
    text_has(outcome.out, error_name);
    text_has(outcome.err, error_name);
}

static void check_explicit(int wanted, const char *error_name)
{
    struct child child = {.prepare = install_filter, .options = CHILD_OPTIONS};
    child.options.backend = "uring";
    struct outcome outcome = child_run(&child);
    if (!outcome.exited)
        return;
    AIO_CHECK_ERROR(outcome.rc, wanted);
    AIO_CHECK(!outcome.started);
    text_has(outcome.err, "aio: error: ");
    text_has(outcome.err, error_name);
}

static void check(unsigned call, int error, const char *error_name)
{
    refused.call = call;
    refused.error = (unsigned)error;
    if (!have_both())
        return;
    check_auto(error_name);
    check_explicit(-error, error_name);
}

PLAIN(setup_refused_with_eperm)
{
    check(__NR_io_uring_setup, EPERM, "EPERM");
}

PLAIN(setup_refused_with_enosys)
{
    check(__NR_io_uring_setup, ENOSYS, "ENOSYS");
}

PLAIN(setup_refused_with_eacces)
{
    check(__NR_io_uring_setup, EACCES, "EACCES");
}

PLAIN(enter_alone_refused)
{
    check(__NR_io_uring_enter, EPERM, "EPERM");
}

PLAIN(enter_alone_refused_with_enosys)
{
    check(__NR_io_uring_enter, ENOSYS, "ENOSYS");
}

PLAIN(register_alone_refused)
{
    check(__NR_io_uring_register, EPERM, "EPERM");
}

PLAIN(register_alone_refused_with_enosys)
{
    check(__NR_io_uring_register, ENOSYS, "ENOSYS");
}

static int open_files(void *unused)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    struct aio_file *file;
    int plain = aio_file_open_with(&file, "/dev/null", &options);
    (void)aio_file_close(plain == 0 ? file : NULL);
    options.resolve = RESOLVE_NO_SYMLINKS;
    int limited = aio_file_open_with(&file, "/dev/null", &options);
    (void)aio_file_close(limited == 0 ? file : NULL);
    printf("plain %d, limited %d\n", plain, limited);
    (void)unused;
    return 0;
}

static void open_on_epoll(void)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.backend = "epoll";
    printf("run %d\n", aio_runtime_run(&options, open_files, NULL));
}

/* As by filters of older container runtimes: files open all the same. */
PLAIN(openat2_refused)
{
    struct child child = {.prepare = install_filter, .instead = open_on_epoll};
    refused.call = __NR_openat2;
    refused.error = ENOSYS;
    if (!have_both())
        return;
    struct outcome outcome = child_run(&child);
    if (!outcome.exited)
        return;
    text_has(outcome.out, "plain 0, limited -38\n");
    text_has(outcome.out, "run 0\n");
}

static int copy_and_compare(int at, const char *to)
{
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    void *memory;
    size_t size;
    options.flags = AIO_FILE_COPY_KEEP;
    int rc = aio_file_copy(at, "from", at, to, &options);
    if (rc == 0)
        rc = aio_file_load(at, to, &memory, &size, SIZE_MAX);
    if (rc < 0)
        return rc;
    bool same = size == 7 && memcmp(memory, "content", 7) == 0;
    aio_file_unload(memory);
    return same ? 0 : -EILSEQ;
}

static int copy_files(void *path)
{
    struct aio_directory *directory;
    struct aio_directory_entry entry;
    int count = 0, rc = aio_directory_open(&directory, AT_FDCWD, path);
    if (rc < 0)
        return rc;
    int at = aio_directory_fd(directory);
    int stored = aio_file_store(at, "from", "content", 7, 0600);
    int first = copy_and_compare(at, "to");
    int other = copy_and_compare(at, "other");
    int again = copy_and_compare(at, "to");
    while (aio_directory_next(directory, &entry) == 1)
        count++;
    aio_directory_close(directory);
    printf("stored %d, copied %d %d %d, files %d\n", stored, first, other, again, count);
    return 0;
}

static int remove_tree(void *path)
{
    return aio_path_remove(AT_FDCWD, path);
}

static void copy_on_epoll(void)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.backend = "epoll";
    if (mkdtemp(path) == NULL)
        return;
    printf("run %d\n", aio_runtime_run(&options, copy_files, path));
    (void)aio_runtime_run(&options, remove_tree, path);
}

/* A file without a name that can have none, as without /proc, is made anew with one. */
static void check_link_refused(int error)
{
    struct child child = {.prepare = install_filter, .instead = copy_on_epoll};
    refused.call = __NR_linkat;
    refused.error = (unsigned)error;
    struct outcome outcome = child_run(&child);
    if (outcome.exited)
        text_has(outcome.out, "stored 0, copied 0 0 0, files 3\n");
}

PLAIN(linkat_refused)
{
    if (!have_both())
        return;
    check_link_refused(EPERM);
    check_link_refused(ENOENT);
}
