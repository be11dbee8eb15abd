/*
 * The epoll backend's descriptor table: entries that never move, growth, refusals. Watchers and
 * FORGET need a loop; the contract tests have them.
 */
#define SUITE "fdtab"
#include "tests/harness/harness.h"

#if AIO_WITH_EV

#include "backends/ev/private.h"
#include "core/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* A descriptor of that number at least, or -1. The soft limit may be below it. */
static int descriptor_from(int number)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= (rlim_t)number) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, number);
}

/* Nothing is known before somebody asks; then it is the descriptor's own entry, empty. */
PLAIN(entry_is_made_on_demand)
{
    struct aio__ev_backend backend = {.epoll_fd = -1};
    struct aio__ev_fd *entry = NULL;
    AIO_CHECK(aio__ev_fd_find(&backend, 0) == NULL);
    AIO_CHECK_OK(aio__ev_fd_get(&backend, STDERR_FILENO, &entry));
    REQUIRE(entry != NULL);
    AIO_CHECK_EQ(entry->fd, STDERR_FILENO);
    AIO_CHECK_EQ(entry->flags, 0);
    AIO_CHECK(aio__ev_fd_find(&backend, STDERR_FILENO) == entry);
    aio__ev_fd_free_all(&backend);
}

/* Growth for a higher number leaves the entries where they are: libev points into them. */
PLAIN(entries_never_move)
{
    struct aio__ev_backend backend = {.epoll_fd = -1};
    struct aio__ev_fd *low = NULL, *high = NULL;
    int fd = descriptor_from(8 * AIO__EV_CHUNK_FDS + 3);
    REQUIRE(fd >= 0);
    AIO_CHECK_OK(aio__ev_fd_get(&backend, STDERR_FILENO, &low));
    AIO_CHECK_OK(aio__ev_fd_get(&backend, fd, &high));
    AIO_CHECK(aio__ev_fd_find(&backend, STDERR_FILENO) == low);
    AIO_CHECK_EQ(high->fd, fd);
    AIO_CHECK(aio__ev_fd_find(&backend, AIO__EV_CHUNK_FDS) == NULL); /* a hole between the two */
    close(fd);
    aio__ev_fd_free_all(&backend);
}

/* A number that is no descriptor is refused, and does not make the table grow to it. */
PLAIN(wild_numbers_are_refused)
{
    struct aio__ev_backend backend = {.epoll_fd = -1};
    struct aio__ev_fd *entry = NULL;
    const int wild[] = {-1, INT32_MIN, INT32_MAX, 1 << 20};
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++)
        AIO_CHECK_ERROR(aio__ev_fd_get(&backend, wild[i], &entry), -EBADF);
    AIO_CHECK_EQ(backend.chunk_count, 0);
    aio__ev_fd_free_all(&backend);
}

/* Each allocation that growing needs may fail: nothing is made, and the next call works. */
PLAIN(growth_may_fail)
{
    struct aio__ev_backend backend = {.epoll_fd = -1};
    struct aio__ev_fd *entry = NULL;
    int rc = -ENOMEM, attempts = 0;
    while (rc == -ENOMEM && attempts < 10) {
        aio__alloc_fail_at(++attempts);
        rc = aio__ev_fd_get(&backend, STDERR_FILENO, &entry);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || entry == NULL);
    }
    AIO_CHECK_OK(rc);
    AIO_CHECK_EQ(attempts, 3); /* the list of chunks, a chunk, and then success */
    aio__ev_fd_free_all(&backend);
}

#else

PLAIN(not_compiled_in)
{
    aio_test_skip("this build has no epoll backend");
}

#endif
