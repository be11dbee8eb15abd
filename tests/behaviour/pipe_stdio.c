/*
 * The standard streams of a process, whatever they are: a child copies its input to its output.
 * What it shares with others, a terminal above all, is left as it was, also when it is killed.
 */
#define SUITE "pipe_stdio"
#include "tests/behaviour/task_tools.h"

#include <aio/copy.h>
#include <aio/pipe.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID = 7 };

/* Copies input to output, and says so on the third. */
static int cat_entry(void *unused)
{
    struct aio_stream *in, *out, *err;
    (void)unused;
    if (aio_stream_stdin(&in) < 0 || aio_stream_stdout(&out) < 0 || aio_stream_stderr(&err) < 0)
        return 1;
    int rc = aio_stream_copy(out, in, NULL, NULL);
    if (rc == 0 && aio_stream_write_all(err, "done", 4, NULL) == 4)
        rc = SAID;
    aio_stream_close(in);
    aio_stream_close(out);
    aio_stream_close(err);
    if (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0)
        rc = 1;
    return rc;
}

struct cat {
    int in;
    int out;
};

static int cat_body(void *arg)
{
    const struct cat *cat = arg;
    (void)dup2(cat->in, STDIN_FILENO);
    (void)dup2(cat->out, STDOUT_FILENO);
    return test_run(cat_entry, NULL);
}

static bool blocks(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

/* An input that ends by itself, and what comes out of it. */
static void check_input(int in, const char *wanted)
{
    struct child child;
    char got[64] = "";
    int out[2];
    REQUIRE(in >= 0 && pipe2(out, O_CLOEXEC) == 0);
    struct cat cat = {.in = in, .out = out[1]};
    REQUIRE(child_run(&child, cat_body, &cat));
    child_exited(&child, SAID);
    child_said(&child, "done");
    AIO_CHECK(blocks(in) && blocks(out[1]));
    close(out[1]);
    AIO_CHECK_EQ(read(out[0], got, sizeof got - 1), (ssize_t)strlen(wanted));
    AIO_CHECK_STR(got, wanted);
    close(out[0]);
    close(in);
}

BEHAVIOUR_OUTSIDE(input_is_a_pipe)
{
    int fds[2];
    if (!child_may_have_threads())
        return;
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    AIO_CHECK_EQ(write(fds[1], "piped", 5), 5);
    close(fds[1]);
    check_input(fds[0], "piped");
}

BEHAVIOUR_OUTSIDE(input_is_a_socket)
{
    int fds[2];
    if (!child_may_have_threads())
        return;
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    AIO_CHECK_EQ(write(fds[1], "sent", 4), 4);
    close(fds[1]);
    check_input(fds[0], "sent");
}

BEHAVIOUR_OUTSIDE(input_is_a_file)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    if (!child_may_have_threads())
        return;
    int fd = mkostemp(path, O_CLOEXEC);
    REQUIRE(fd >= 0 && unlink(path) == 0);
    AIO_CHECK_EQ(write(fd, "skipped stored", 14), 14);
    AIO_CHECK_EQ(lseek(fd, 8, SEEK_SET), 8); /* it goes on where its parent stood */
    check_input(fd, "stored");
}

BEHAVIOUR_OUTSIDE(input_is_the_null_device)
{
    if (child_may_have_threads())
        check_input(open("/dev/null", O_RDONLY | O_CLOEXEC), "");
}

static int closed_entry(void *unused)
{
    struct aio_stream *in;
    (void)unused;
    (void)close(STDIN_FILENO);
    return aio_stream_stdin(&in) == -EBADF ? SAID : 1;
}

BEHAVIOUR_OUTSIDE(input_is_closed)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, closed_entry, NULL));
    child_exited(&child, SAID);
}

/* With the child's ends on one terminal: it echoes what is typed, line by line. */
static void terminal_session(int master, int slave, bool killed)
{
    char got[64] = "";
    size_t length = 0;
    struct cat cat = {.in = slave, .out = slave};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        _exit(cat_body(&cat));
    }
    REQUIRE(pid > 0);
    AIO_CHECK_EQ(write(master, "typed\n", 6), 6);
    /* once by the terminal itself, once by the child */
    while (length < 14) {
        ssize_t n = read(master, got + length, sizeof got - 1 - length);
        if (!AIO_CHECK(n > 0))
            break;
        length += (size_t)n;
    }
    AIO_CHECK_STR(got, "typed\r\ntyped\r\n");
    AIO_CHECK(blocks(slave) && blocks(master)); /* while it waits for the next line */
    if (killed)
        AIO_CHECK_EQ(kill(pid, SIGKILL), 0);
    else
        AIO_CHECK_EQ(write(master, "\004", 1), 1); /* end of file */
    int status = 0;
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK(killed ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == SAID);
    AIO_CHECK(blocks(slave) && blocks(master));
}

BEHAVIOUR_OUTSIDE(terminal_is_left_as_it_was)
{
    if (!child_may_have_threads())
        return;
    for (int killed = 0; killed < 2; killed++) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        REQUIRE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
        int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
        REQUIRE(slave >= 0);
        terminal_session(master, slave, killed);
        close(slave);
        close(master);
    }
}

/* The reader of its output goes away: an error, and no signal that ends the child. */
static int broken_entry(void *unused)
{
    struct aio_stream *out;
    (void)unused;
    if (aio_stream_stdout(&out) < 0)
        return 1;
    ssize_t rc = aio_stream_write_all(out, "x", 1, NULL);
    aio_stream_close(out);
    return rc == -EPIPE ? SAID : 1;
}

static int broken_body(void *arg)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    const int *out = arg;
    (void)sigaction(SIGPIPE, &by_default, NULL);
    (void)dup2(*out, STDOUT_FILENO);
    return test_run(broken_entry, NULL);
}

BEHAVIOUR_OUTSIDE(output_that_nobody_reads)
{
    struct child child;
    int fds[2];
    if (!child_may_have_threads())
        return;
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    close(fds[0]);
    REQUIRE(child_run(&child, broken_body, &fds[1]));
    child_exited(&child, SAID);
    close(fds[1]);
}
