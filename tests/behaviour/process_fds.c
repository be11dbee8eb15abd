/*
 * The descriptors of a child: those it was given, in any permutation, and no others.
 */
#define SUITE "process_fds"
#include "tests/behaviour/process_tools.h"

#include <aio/file.h>
#include <aio/udp.h>
#include <aio/watch.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A file in memory that holds a word and is read from its beginning. */
static int word_open(const char *word)
{
    int fd = output_open();
    AIO_CHECK_EQ(pwrite(fd, word, strlen(word), 0), (ssize_t)strlen(word));
    return fd;
}

/* The shell holds its script in no descriptor, and its listing goes away before it is printed. */
BEHAVIOUR(standard_ones_only)
{
    int foreign = dup(STDIN_FILENO); /* without close-on-exec, as other libraries make them */
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    char text[64], wanted[64];
    options.input = AIO_PROCESS_NULL;
    AIO_CHECK_EQ(shell_run("ls /proc/self/fd", options, text, sizeof text), 0);
    AIO_CHECK_STR(text, "0\n1\n2\n3\n"); /* 3: the listing's own */
    options.inherit_fds = true;
    snprintf(wanted, sizeof wanted, "test -e /proc/self/fd/%d", foreign);
    AIO_CHECK_EQ(shell_run(wanted, options, text, sizeof text), 0);
    options.inherit_fds = false;
    AIO_CHECK_EQ(shell_run(wanted, options, text, sizeof text), 1);
    close(foreign);
}

/* As kernels before 5.11 do, and some containers. */
static void refuse_close_range(int error)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    AIO_CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    AIO_CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

/* Returns how many of many open ones a child has got; the fourth one is the listing's. */
static int spawn_with_many_open(void *unused)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_process *process;
    (void)unused;
    options.input = AIO_PROCESS_NULL;
    int rc = aio_process_spawn(
        &process, AIO_ARGV("sh", "-c", "set -- /proc/$$/fd/*; exit $(($# - 4))"), &options);
    return rc < 0 ? 100 : process_end(process);
}

static int refuse_and_spawn(void *error)
{
    for (int i = 0; i < 200; i++)
        AIO_CHECK(dup(STDIN_FILENO) > 0);
    refuse_close_range(*(int *)error);
    return test_run(spawn_with_many_open, NULL);
}

/* There are other ways to close those that are not given. */
BEHAVIOUR_OUTSIDE(standard_ones_only_without_close_range)
{
    const int errors[] = {ENOSYS, EINVAL, EPERM};
    struct child child;
    if (!child_may_have_threads())
        return;
    for (int i = 0; i < 3; i++) {
        int error = errors[i];
        REQUIRE(child_run(&child, refuse_and_spawn, &error));
        child_exited(&child, 0);
    }
}

BEHAVIOUR(null_device)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.input = AIO_PROCESS_NULL;
    options.error = AIO_PROCESS_NULL;
    shell_prints("readlink /proc/$$/fd/0 /proc/$$/fd/2; echo x >&2; cat", options,
                 "/dev/null\n/dev/null\n");
    options.output = AIO_PROCESS_NULL;
    AIO_CHECK_EQ(process_end(shell_spawn("echo x; echo y >&2; exit 4", &options)), 4);
}

/* Both at one offset, as after 2>&1. */
BEHAVIOUR(error_joins_output)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.error = AIO_PROCESS_JOIN;
    shell_prints("echo a; echo b >&2; echo c", options, "a\nb\nc\n");
}

/* Also when that is given among the further ones. */
BEHAVIOUR(error_joins_further_output)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    char text[64];
    int out = output_open();
    const struct aio_process_fd fds[] = {{STDOUT_FILENO, out}};
    options.error = AIO_PROCESS_JOIN;
    options.fds = fds;
    options.fd_count = 1;
    AIO_CHECK_EQ(process_end(shell_spawn("echo a; echo b >&2; echo c", &options)), 0);
    output_take(out, text, sizeof text);
    AIO_CHECK_STR(text, "a\nb\nc\n");
}

BEHAVIOUR(input_and_further_ones)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    int first = word_open("first\n"), ninth = word_open("ninth\n");
    const struct aio_process_fd fds[] = {{9, ninth}};
    options.input = first;
    options.fds = fds;
    options.fd_count = 1;
    shell_prints("cat; cat <&9", options, "first\nninth\n");
    AIO_CHECK_EQ(fcntl(ninth, F_GETFD), FD_CLOEXEC); /* ours are as they were */
    close(first);
    close(ninth);
}

/* Which words the child reads from the descriptors that are open here, when they change places. */
static void check_places(const int fds[3], const int places[3])
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_process_fd map[3];
    char script[160], wanted[16];
    for (int i = 0; i < 3; i++) {
        map[i] = (struct aio_process_fd){.child = fds[i], .parent = fds[places[i]]};
        wanted[i] = (char)('a' + places[i]);
    }
    wanted[3] = '\0';
    /* The offset is shared with us, and goes back with each. */
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(lseek(fds[i], 0, SEEK_SET), 0);
    snprintf(script, sizeof script, "cat /proc/self/fd/%d /proc/self/fd/%d /proc/self/fd/%d",
             fds[0], fds[1], fds[2]);
    options.fds = map;
    options.fd_count = 3;
    shell_prints(script, options, wanted);
}

/* As they are, swapped, in a circle, doubled. */
BEHAVIOUR(permutations)
{
    static const int places[][3] = {{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1},
                                    {2, 1, 0}, {0, 0, 0}, {1, 1, 0}, {2, 2, 2}};
    int fds[3] = {word_open("a"), word_open("b"), word_open("c")};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        check_places(fds, places[i]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

/* The standard streams in each other's places; and a directory whose number is needed. */
BEHAVIOUR(standard_ones_swapped)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    int out = output_open(), copy = dup(STDERR_FILENO),
        directory = open("/usr", O_PATH | O_CLOEXEC);
    const struct aio_process_fd fds[] = {{directory, STDIN_FILENO}};
    char text[64];
    AIO_CHECK(dup2(out, STDERR_FILENO) == STDERR_FILENO);
    options.output = STDERR_FILENO;
    options.error = STDOUT_FILENO;
    options.directory_fd = directory;
    options.fds = fds;
    options.fd_count = 1;
    AIO_CHECK_EQ(process_end(shell_spawn("pwd -P", &options)), 0);
    AIO_CHECK(dup2(copy, STDERR_FILENO) == STDERR_FILENO);
    close(copy);
    close(directory);
    output_take(out, text, sizeof text);
    AIO_CHECK_STR(text, "/usr\n");
}

static int spawn_with(const struct aio_process_options *options)
{
    struct aio_process *process;
    int rc = aio_process_spawn(&process, AIO_ARGV("true"), options);
    return rc < 0 ? rc : process_end(process);
}

static int spawn_with_fd(int child, int parent)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    const struct aio_process_fd fds[] = {{child, parent}};
    options.fds = fds;
    options.fd_count = 1;
    return spawn_with(&options);
}

BEHAVIOUR(bad_ones)
{
    int closed = dup(0);
    close(closed);
    AIO_CHECK_ERROR(spawn_with_fd(9, closed), -EBADF);
    AIO_CHECK_ERROR(spawn_with_fd(closed, closed), -EBADF);
    AIO_CHECK_ERROR(spawn_with_fd(9, -1), -EBADF);
    AIO_CHECK_ERROR(spawn_with_fd(9, 1 << 29), -EBADF);
    AIO_CHECK_ERROR(spawn_with_fd(1 << 29, 0), -EBADF);
    AIO_CHECK_ERROR(spawn_with_fd(-1, 0), -EINVAL);
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.error = closed;
    AIO_CHECK_ERROR(spawn_with(&options), -EBADF);
    options.error = -5;
    AIO_CHECK_ERROR(spawn_with(&options), -EINVAL);
}

BEHAVIOUR(given_twice)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    const struct aio_process_fd fds[] = {{7, 0}, {8, 0}, {7, 1}};
    options.fds = fds;
    options.fd_count = 3;
    AIO_CHECK_ERROR(spawn_with(&options), -EINVAL);
    options.fd_count = 2;
    AIO_CHECK_EQ(spawn_with(&options), 0);
    AIO_CHECK_EQ(spawn_with_fd(STDOUT_FILENO, STDERR_FILENO), 0);
    options.output = AIO_PROCESS_NULL;
    options.fds = (const struct aio_process_fd[]){{STDOUT_FILENO, STDERR_FILENO}};
    options.fd_count = 1;
    AIO_CHECK_ERROR(spawn_with(&options), -EINVAL);
}

/* Up to the limit, also when others have to be kept out of the way. */
BEHAVIOUR(at_the_limit)
{
    struct rlimit before, low;
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps RLIMIT_NOFILE from the kernel");
        return;
    }
    AIO_CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = 256;
    int fds[3] = {word_open("a"), word_open("b"), word_open("c")};
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    AIO_CHECK_EQ(spawn_with_fd(255, fds[0]), 0);
    AIO_CHECK_EQ(spawn_with_fd(254, fds[1]), 0);
    AIO_CHECK_ERROR(spawn_with_fd(256, fds[0]), -EBADF);
    int last = fcntl(fds[2], F_DUPFD_CLOEXEC, 255);
    check_places((int[]){fds[0], fds[1], last}, (int[]){1, 2, 0});
    close(last);
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

/* No descriptor is to be had: not even for the process. */
BEHAVIOUR(none_to_be_had)
{
    struct rlimit before, none;
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps RLIMIT_NOFILE from the kernel");
        return;
    }
    AIO_CHECK_EQ(spawn_with(NULL), 0); /* the pool has its thread, the ring its files */
    int next = dup(0);
    close(next);
    AIO_CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    int rc = spawn_with(NULL);
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    AIO_CHECK_ERROR(rc, -EMFILE);
    AIO_CHECK_EQ(spawn_with(NULL), 0);
    no_children();
}

/* Children have the standard ones, also those that are streams here. */
BEHAVIOUR(adopted_ones_are_inherited)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_stream *stream;
    char text[64];
    REQUIRE_OK(aio_pipe_adopt(&stream, STDIN_FILENO));
    AIO_CHECK_EQ(shell_run("test -e /proc/$$/fd/0", options, text, sizeof text), 0);
    AIO_CHECK_EQ(aio_stream_release(stream), STDIN_FILENO);
}

static int list_often(void *unused)
{
    (void)unused;
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.inherit_fds = true; /* so that close-on-exec alone protects */
    options.input = AIO_PROCESS_NULL;
    for (int i = 0; i < 5; i++) {
        char text[256];
        AIO_CHECK_EQ(
            shell_run("readlink /proc/$$/fd/* | grep -c memfd", options, text, sizeof text), 0);
        AIO_CHECK_STR(text, "1\n");
    }
    return 0;
}

/* Children that are made at the same time do not get each other's descriptors. */
BEHAVIOUR(concurrent_spawns)
{
    struct aio_scope scope;
    REQUIRE_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < 6; i++)
        AIO_CHECK_OK(aio_scope_spawn(&scope, list_often, NULL));
    AIO_CHECK_OK(aio_scope_join(&scope));
    no_children();
}

/* What a child has that gets all that has no close-on-exec. */
static void list_inherited(char *text, size_t size)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.inherit_fds = true;
    options.input = AIO_PROCESS_NULL;
    AIO_CHECK_EQ(
        shell_run("readlink /proc/$$/fd/* | grep anon_inode; ls /proc/$$/fd", options, text, size),
        0);
}

/* Of all that a runtime opens. */
BEHAVIOUR(nothing_of_ours_is_inherited)
{
    struct aio_stream *reader, *writer, *adopted;
    struct aio_watch *watch;
    struct aio_file *file;
    struct aio_socket *socket;
    struct wire wire;
    char before[256], after[256];
    list_inherited(before, sizeof before);
    REQUIRE(wire_open(&wire));
    REQUIRE_OK(aio_pipe_open(&reader, &writer));
    REQUIRE_OK(aio_pipe_adopt(&adopted, dup(STDIN_FILENO)));
    REQUIRE_OK(aio_watch_open(&watch));
    REQUIRE_OK(aio_file_open(&file, "/dev/null", O_RDONLY, 0));
    REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", NULL));
    list_inherited(after, sizeof after);
    AIO_CHECK_STR(after, before);
    AIO_CHECK(strstr(after, "anon_inode") == NULL); /* rings, epoll, timers, events */
    aio_socket_close(socket);
    AIO_CHECK_OK(aio_file_close(file));
    aio_watch_close(watch);
    aio_stream_close(adopted);
    aio_stream_close(reader);
    aio_stream_close(writer);
    wire_close(&wire);
}

static int run_without_standard_ones(void *unused)
{
    struct aio_run_options options = AIO_RUN_OPTIONS;
    struct aio_process_result result;
    (void)unused;
    options.input = "word";
    options.input_bytes = 4;
    int rc = aio_process_run(
        &result, AIO_ARGV("sh", "-c", "cat; echo err >&2; set -- /proc/$$/fd/*; exit $#"),
        &options);
    bool good = rc == 0 && result.output.bytes != NULL && result.error.bytes != NULL &&
                strcmp(result.output.bytes, "word") == 0 &&
                strcmp(result.error.bytes, "err\n") == 0;
    int open = result.status.code;
    aio_result_free(&result);
    return good ? open : 100;
}

static int close_standard_ones(void *unused)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    return test_run(run_without_standard_ones, unused);
}

/* Where we have none the pipes themselves get their numbers, and the child all the same its own;
 * the fourth is the listing's. */
BEHAVIOUR_OUTSIDE(standard_ones_are_closed_here)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, close_standard_ones, NULL));
    child_exited(&child, 4);
}
