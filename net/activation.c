/*
 * Sockets passed by a service manager, as sd_listen_fds(3) documents.
 */
#include "net/private.h"

#include <aio/server.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define ACTIVATION_START 3
#define ACTIVATION_BACKLOG 4096

/* Reads a positive number. Returns 0 when the variable is not set; -EINVAL. */
static int activation_number(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (text == NULL)
        return 0;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
    return good && value > 0 && value < INT32_MAX - ACTIVATION_START ? (int)value : -EINVAL;
}

int aio_activation_count(void)
{
    int pid = activation_number("LISTEN_PID");
    if (pid <= 0 || pid != getpid())
        return pid < 0 ? pid : 0;
    int count = activation_number("LISTEN_FDS");
    for (int i = 0; i < count; i++)
        if (fcntl(ACTIVATION_START + i, F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    return count;
}

/* 0; or -EINVAL for what is not a listening stream socket. */
static int activation_check(int fd)
{
    int listening = 0;
    if (aio__socket_type(fd) != SOCK_STREAM ||
        aio__socket_get(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening) < 0 || listening == 0)
        return -EINVAL;
    return 0;
}

int aio_activation_listen(struct aio_listener **out, int index)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int count = aio_activation_count();
    if (count < 0 || index < 0 || index >= count)
        return count < 0 ? count : -ENOENT;
    int rc = activation_check(ACTIVATION_START + index);
    if (rc < 0)
        return rc;
    int fd = fcntl(ACTIVATION_START + index, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if ((rc = aio__socket_take(fd)) < 0) {
        (void)close(fd); /* tidy: allow close: no op has used it */
        return rc;
    }
    const struct aio__listener_plan plan = {
        .fd = fd, .type = SOCK_STREAM, .backlog = ACTIVATION_BACKLOG};
    return aio__listener_create(out, core, &plan);
}
