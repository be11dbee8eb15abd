/*
 * What went wrong elsewhere, at the ends of runtimes: memory that is freed before the kernel is
 * done with it, exits that hang, and handles used from where they do not belong.
 */
#define SUITE "lessons_runtime"
#include "tests/behaviour/tcp_support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 50, BUFFER = 4096 };

/* What outlives the runtime: raw ends of connections, and buffers that readers had. */
struct aftermath {
    int fds[READERS];
    struct reader {
        struct aio_stream *stream;
        char *buffer;
    } readers[READERS];
};

static int read_until_cancelled(void *arg)
{
    struct reader *reader = arg;
    return (int)aio_stream_read_exact(reader->stream, reader->buffer, BUFFER, NULL);
}

/* Returns while every reader waits. */
static int leave_readers(void *arg)
{
    struct aftermath *after = arg;
    struct tcp_raw_server server;
    if (!tcp_raw_server_open(&server, 0))
        return -1;
    for (int i = 0; i < READERS; i++) {
        struct tcp_raw raw;
        if (!tcp_raw_server_connect(&server, &raw))
            return -1;
        after->fds[i] = raw.fd;
        after->readers[i].stream = raw.stream;
        after->readers[i].buffer = malloc(BUFFER);
        AIO_CHECK_OK(aio_task_spawn(NULL, read_until_cancelled, &after->readers[i], NULL));
    }
    tcp_settle();
    tcp_raw_server_close(&server);
    return 0;
}

/* When the runtime has ended nothing writes to the readers' memory any more: it can be freed, and
 * what the peers send afterwards is not received. */
BEHAVIOUR_OUTSIDE(buffers_after_the_end)
{
    struct aftermath *after = calloc(1, sizeof *after);
    REQUIRE(after != NULL);
    AIO_CHECK_OK(test_run(leave_readers, after));
    for (int i = 0; i < READERS; i++) {
        memset(after->readers[i].buffer, 0x11, BUFFER);
        (void)send(after->fds[i], "late", 4, MSG_NOSIGNAL);
    }
    for (int i = 0; i < READERS; i++) {
        for (int at = 0; at < BUFFER; at++)
            if (after->readers[i].buffer[at] != 0x11) {
                AIO_CHECK_EQ(at, -1);
                break;
            }
        free(after->readers[i].buffer);
        close(after->fds[i]);
    }
    free(after);
}

/* Runtimes one after another, each with operations in flight at its end. */
BEHAVIOUR_OUTSIDE(many_runtimes)
{
    struct aftermath *after = calloc(1, sizeof *after);
    REQUIRE(after != NULL);
    int count = 30 / (int)test_slowness();
    for (int round = 0; round < count; round++) {
        AIO_CHECK_OK(test_run(leave_readers, after));
        for (int i = 0; i < READERS; i++) {
            free(after->readers[i].buffer);
            close(after->fds[i]);
        }
    }
    free(after);
}

/* What a child process, run with its standard error in a pipe, ended with. */
struct child {
    int status;
    char text[1024];
};

static void child_run(struct child *child, void (*body)(void))
{
    static const struct rlimit no_core = {0, 0};
    int ends[2];
    size_t length = 0;
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        setenv("AIO_LOG", "warn", 1);
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    while (length < sizeof child->text - 1) {
        ssize_t rc = read(ends[0], child->text + length, sizeof child->text - 1 - length);
        if (rc <= 0)
            break;
        length += (size_t)rc;
    }
    child->text[length] = '\0';
    close(ends[0]);
    AIO_CHECK_EQ(waitpid(pid, &child->status, 0), pid);
}

static int exit_amid_everything(void *arg)
{
    struct aftermath after;
    (void)arg;
    if (leave_readers(&after) == 0)
        _exit(7);
    return 0;
}

static void run_and_exit(void)
{
    (void)test_run(exit_amid_everything, NULL);
}

/* A process that exits with operations in flight is gone at once. */
BEHAVIOUR_OUTSIDE(exit_is_prompt)
{
    struct child child;
    int64_t start = aio_time_now();
    child_run(&child, run_and_exit);
    AIO_CHECK(WIFEXITED(child.status));
    AIO_CHECK_EQ(WEXITSTATUS(child.status), 7);
    AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
}

/* Uses of handles from where they do not belong; the object is another runtime's. */
static void *object;
static void (*misuse)(void);

static void misuse_read(void)
{
    char byte;
    (void)aio_stream_read(object, &byte, 1);
}

static void misuse_write_all(void)
{
    (void)aio_stream_write_all(object, "x", 1, NULL);
}

static void misuse_stream_close(void)
{
    aio_stream_close(object);
}

static void misuse_option(void)
{
    (void)aio_stream_option_set(object, AIO_STREAM_NODELAY, 1);
}

static void misuse_accept(void)
{
    struct aio_stream *stream;
    AIO_CHECK_OK(aio_listener_accept(object, &stream));
}

static void misuse_listener_close(void)
{
    aio_listener_close(object);
}

static int misuse_task(void *arg)
{
    (void)arg;
    misuse();
    return 0;
}

static void *other_runtime(void *arg)
{
    (void)test_run(misuse_task, arg);
    return NULL;
}

static void *no_runtime(void *arg)
{
    misuse();
    return arg;
}

static void *(*wrong_thread)(void *arg);
static bool of_listener;

static int own_and_lend(void *arg)
{
    struct tcp_server server;
    struct aio_stream *stream;
    pthread_t thread;
    (void)arg;
    if (!tcp_server_open(&server, NULL) || aio_tcp_connect(&stream, server.text) < 0)
        return -1;
    object = of_listener ? (void *)server.listener : (void *)stream;
    if (pthread_create(&thread, NULL, wrong_thread, NULL) == 0)
        pthread_join(thread, NULL);
    return 0;
}

static void lend(void)
{
    (void)test_run(own_and_lend, NULL);
}

static void dies(void (*use)(void), bool listener, void *(*thread)(void *arg), const char *words)
{
    struct child child;
    misuse = use;
    of_listener = listener;
    wrong_thread = thread;
    child_run(&child, lend);
    AIO_CHECK(WIFSIGNALED(child.status));
    AIO_CHECK_EQ(WTERMSIG(child.status), SIGABRT);
    if (!AIO_CHECK(strstr(child.text, words) != NULL))
        AIO_CHECK_STR(child.text, words);
}

static bool threads_after_fork(void)
{
    if (UNDER_TSAN)
        aio_test_skip("ThreadSanitizer does not support threads after fork");
    return !UNDER_TSAN;
}

/* Another thread's runtime must keep its hands off: the process ends with a message. */
BEHAVIOUR_OUTSIDE(handles_of_another_runtime)
{
    if (!threads_after_fork())
        return;
    dies(misuse_read, false, other_runtime, "this stream belongs to another runtime");
    dies(misuse_write_all, false, other_runtime, "aio_stream_write_all");
    dies(misuse_stream_close, false, other_runtime, "aio_stream_close");
    dies(misuse_option, false, other_runtime, "aio_stream_option_set");
    dies(misuse_accept, true, other_runtime, "this listener belongs to another runtime");
    dies(misuse_listener_close, true, other_runtime, "aio_listener_close");
}

/* So must a thread that has no runtime. */
BEHAVIOUR_OUTSIDE(handles_without_runtime)
{
    if (!threads_after_fork())
        return;
    dies(misuse_read, false, no_runtime, "stream used outside its runtime");
    dies(misuse_accept, true, no_runtime, "listener used outside its runtime");
}

static void connect_outside(void)
{
    struct aio_stream *stream;
    AIO_CHECK_OK(aio_tcp_connect(&stream, "127.0.0.1:1"));
}

static void listen_outside(void)
{
    struct aio_listener *listener;
    AIO_CHECK_OK(aio_tcp_listen(&listener, "127.0.0.1:0", NULL));
}

/* Connecting and listening are for tasks. */
BEHAVIOUR_OUTSIDE(opening_outside_tasks)
{
    struct child child;
    child_run(&child, connect_outside);
    AIO_CHECK(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
    AIO_CHECK(strstr(child.text, "aio_tcp_connect") != NULL);
    child_run(&child, listen_outside);
    AIO_CHECK(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
    AIO_CHECK(strstr(child.text, "aio_tcp_listen") != NULL);
}

static int close_twice_at_once(void *arg)
{
    struct tcp_raw raw;
    char byte;
    (void)arg;
    if (!tcp_raw_open(&raw, 0))
        return -1;
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    struct tcp_call closer = {.kind = TCP_CLOSE, .object = raw.stream};
    tcp_call_start(&reader);
    tcp_settle();
    tcp_call_start(&closer);
    (void)aio_task_yield();
    aio_stream_close(raw.stream); /* while the other close waits for the reader */
    return 0;
}

static void run_close_twice(void)
{
    (void)test_run(close_twice_at_once, NULL);
}

/* Closing what is being closed is the caller's mistake, and is said. */
BEHAVIOUR_OUTSIDE(close_during_close)
{
    struct child child;
    child_run(&child, run_close_twice);
    AIO_CHECK(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT);
    AIO_CHECK(strstr(child.text, "stream") != NULL);
}
