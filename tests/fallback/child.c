/*
 * See child.h.
 */
#define SUITE "child"
#include "tests/fallback/child.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static int serve_one(void *listener)
{
    struct aio_stream *stream;
    char buffer[64];
    int rc = aio_listener_accept(listener, &stream);
    if (rc < 0)
        return rc;
    ssize_t n;
    while ((n = aio_stream_read(stream, buffer, sizeof buffer)) > 0)
        if (aio_stream_write_all(stream, buffer, (size_t)n, NULL) < 0)
            break;
    aio_stream_close(stream);
    return (int)n;
}

static int exchange(const char *address)
{
    struct aio_stream *stream;
    char buffer[6] = "";
    int rc = aio_tcp_connect(&stream, address);
    if (rc < 0)
        return rc;
    if (aio_stream_write_all(stream, "hello", 5, NULL) != 5 ||
        aio_stream_read_exact(stream, buffer, 5, NULL) != 5 || strcmp(buffer, "hello") != 0)
        rc = -EIO;
    aio_stream_close(stream);
    return rc;
}

static int round_trip(void)
{
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_task *server;
    char text[AIO_ADDRESS_TEXT_BYTES];
    int rc = aio_tcp_listen(&listener, "127.0.0.1:0", NULL);
    if (rc < 0)
        return rc;
    rc = aio_listener_address(listener, &address);
    if (rc == 0)
        rc = aio_address_format(&address, text, sizeof text);
    if (rc > 0)
        rc = aio_task_spawn(&server, serve_one, listener, NULL);
    if (rc < 0)
        return rc;
    rc = exchange(text);
    if (rc < 0)
        aio_task_cancel(server);
    int served = 0, joined = aio_task_join(server, &served);
    aio_listener_close(listener);
    return rc < 0 ? rc : joined < 0 ? joined : served;
}

static int entry(void *started)
{
    static char text[4096];
    *(bool *)started = true;
    aio_runtime_explain(text, sizeof text);
    printf("%s\n%s", aio_runtime_backend(), text);
    return round_trip();
}

/* The last line of the child's output: what the parent cannot see otherwise. */
_Noreturn static void child_main(const struct child *child)
{
    bool started = false;
    int rc = 0;
    unsetenv("AIO_BACKEND");
    unsetenv("AIO_CAPS");
    unsetenv("AIO_LOG");
    for (int i = 0; i < 8 && child->environment[i] != NULL; i += 2)
        setenv(child->environment[i], child->environment[i + 1], 1);
    if (child->prepare != NULL)
        child->prepare();
    if (child->instead != NULL)
        child->instead();
    else
        rc = aio_runtime_run(child->options.size != 0 ? &child->options : NULL, entry, &started);
    printf("\n=%d %d", rc, started);
    fflush(stdout);
    _exit(0); /* not exit: what the parent has to free is not the child's */
}

/* Reads both pipes to their ends. */
static void collect(int out, int err, struct outcome *outcome)
{
    struct {
        int fd;
        char *text;
        size_t used;
    } ends[2] = {{out, outcome->out, 0}, {err, outcome->err, 0}};
    for (int open = 2; open > 0;) {
        struct pollfd ready[2] = {{ends[0].fd, POLLIN, 0}, {ends[1].fd, POLLIN, 0}};
        poll(ready, 2, -1);
        for (int i = 0; i < 2; i++) {
            if (ends[i].fd < 0 || ready[i].revents == 0)
                continue;
            ssize_t n = read(ends[i].fd, ends[i].text + ends[i].used,
                             sizeof outcome->out - 1 - ends[i].used);
            if (n > 0) {
                ends[i].used += (size_t)n;
                continue;
            }
            close(ends[i].fd);
            ends[i].fd = -1;
            open--;
        }
    }
}

static void parse(struct outcome *outcome)
{
    int started = 0;
    char *last = strrchr(outcome->out, '=');
    if (!outcome->exited)
        return;
    outcome->exited = last != NULL && sscanf(last, "=%d %d", &outcome->rc, &started) == 2;
    outcome->started = started != 0;
    if (last != NULL)
        *last = '\0';
}

struct outcome child_run(const struct child *child)
{
    static struct outcome outcome;
    int out[2], err[2], status = 0;
    memset(&outcome, 0, sizeof outcome);
    outcome.rc = -EIO;
    if (!AIO_CHECK(pipe(out) == 0 && pipe(err) == 0))
        return outcome;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        child_main(child);
    }
    close(out[1]);
    close(err[1]);
    AIO_CHECK(pid > 0);
    collect(out[0], err[0], &outcome);
    waitpid(pid, &status, 0);
    outcome.exited = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_UNPREPARED)
        aio_test_skip(outcome.err);
    else if (!outcome.exited)
        aio_test_fail(__FILE__, __LINE__, "the child ended with status %#x: %s", status,
                      outcome.err);
    parse(&outcome);
    return outcome;
}

bool outcome_chose(const struct outcome *outcome, const char *backend)
{
    size_t length = strlen(backend);
    return outcome->started && strncmp(outcome->out, backend, length) == 0 &&
           outcome->out[length] == '\n';
}

bool text_has(const char *text, const char *words)
{
    if (strstr(text, words) != NULL)
        return true;
    aio_test_fail(__FILE__, __LINE__, "\"%s\" is not in: %s", words, text);
    return false;
}

bool backend_works(const char *backend)
{
    struct child child = {.environment = {"AIO_BACKEND", backend, "AIO_LOG", "off"}};
    return child_run(&child).rc == 0;
}
