/*
 * A client of ours against the openssl command's server, a process of its own.
 */
#define SUITE "tls_interop"
#include "tests/tls/support.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* `openssl s_server -rev`: sends lines back, reversed. */
struct s_server {
    pid_t pid;
    int output;
    char said[4096];
    size_t count;
    char address[64];
};

static bool server_started(void *arg)
{
    struct s_server *server = arg;
    ssize_t n =
        read(server->output, server->said + server->count, sizeof server->said - 1 - server->count);
    server->count += n > 0 ? (size_t)n : 0;
    server->said[server->count] = '\0';
    const char *line = strstr(server->said, "ACCEPT 127.0.0.1:");
    if (line == NULL || strchr(line, '\n') == NULL)
        return n == 0; /* it has ended */
    (void)snprintf(server->address, sizeof server->address, "%.*s", (int)strcspn(line + 7, "\r\n"),
                   line + 7);
    return true;
}

static bool server_start(struct s_server *server, const char *const *more)
{
    int ends[2];
    char certificate[128], key[128];
    posix_spawn_file_actions_t actions;
    const char *words[24] = {"openssl",   "s_server", "-accept", "127.0.0.1:0", "-rev", "-cert",
                             certificate, "-key",     key};
    (void)snprintf(certificate, sizeof certificate, "%s", tls_file("server.pem"));
    (void)snprintf(key, sizeof key, "%s", tls_file("server.key"));
    for (size_t i = 0; more[i] != NULL; i++)
        words[9 + i] = more[i];
    *server = (struct s_server){.pid = -1};
    if (!AIO_CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0))
        return false;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    int failed =
        posix_spawnp(&server->pid, words[0], &actions, NULL, (char **)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    server->output = ends[0];
    return AIO_CHECK_EQ(failed, 0) && AIO_CHECK(test_wait(server_started, server)) &&
           AIO_CHECK(server->address[0] != '\0');
}

static void server_stop(struct s_server *server)
{
    if (server->pid > 0) {
        (void)kill(server->pid, SIGKILL);
        (void)waitpid(server->pid, NULL, 0);
    }
    close(server->output);
}

static bool openssl_is_here(void)
{
    const char *path = getenv("PATH");
    char file[512];
    while (path != NULL && *path != '\0') {
        int length = (int)strcspn(path, ":");
        (void)snprintf(file, sizeof file, "%.*s/openssl", length, path);
        if (access(file, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    if (!AIO_CHECK(getenv("AIO_TEST_REQUIRE_TOOLS") == NULL))
        return false;
    aio_test_skip("openssl is not installed (Debian: openssl)");
    return false;
}

static void check_connection(const struct s_server *server, struct aio_tls_context *context,
                             const char *version, bool resumed)
{
    struct aio_stream *stream;
    char bytes[8] = "";
    struct aio_tls_info info = {.size = sizeof info};
    REQUIRE_OK(aio_tcp_connect(&stream, server->address));
    if (AIO_CHECK_OK(aio_tls_connect(stream, context, "server.test")) &&
        AIO_CHECK_OK(aio_tls_info(stream, &info))) {
        AIO_CHECK_STR(info.version, version);
        AIO_CHECK_EQ(info.resumed, resumed);
        AIO_CHECK(info.verified);
        AIO_CHECK_EQ(aio_stream_write_all(stream, "abcdef\n", 7, NULL), 7);
        AIO_CHECK_EQ(aio_stream_read_exact(stream, bytes, 7, NULL), 7);
        AIO_CHECK_STR(bytes, "fedcba\n");
        AIO_CHECK_OK(aio_stream_shutdown(stream, AIO_STREAM_WRITE));
        AIO_CHECK_EQ(aio_stream_read(stream, bytes, 1), 0);
    }
    aio_stream_close(stream);
}

/* Lines go there and back, sessions are resumed, and both say goodbye. */
static void check_server(const char *version, const char *option)
{
    struct s_server server;
    const char *const more[] = {option, NULL};
    struct aio_tls_options options = tls_client_options();
    struct aio_tls_context *context = tls_context(&options);
    if (context != NULL && server_start(&server, more))
        for (int i = 0; i < 3; i++)
            check_connection(&server, context, version, i > 0);
    server_stop(&server);
    aio_tls_destroy(context);
}

BEHAVIOUR(s_server)
{
    if (!openssl_is_here())
        return;
    check_server("TLSv1.3", "-tls1_3");
    check_server("TLSv1.2", "-tls1_2");
}

/* A server that wants a certificate, which we do not have. */
BEHAVIOUR(s_server_refuses)
{
    static const char *const strict[] = {"-tls1_2", "-Verify", "1", "-verify_return_error", NULL};
    struct s_server server;
    struct aio_stream *stream;
    struct aio_tls_options options = tls_client_options();
    if (!openssl_is_here())
        return;
    struct aio_tls_context *context = tls_context(&options);
    if (context != NULL && server_start(&server, strict) &&
        AIO_CHECK_OK(aio_tcp_connect(&stream, server.address))) {
        AIO_CHECK_ERROR(aio_tls_connect(stream, context, "server.test"), -EPROTO);
        AIO_CHECK(strncmp(aio_tls_problem(stream), "the peer says: ", 15) == 0);
        aio_stream_close(stream);
    }
    server_stop(&server);
    aio_tls_destroy(context);
}
