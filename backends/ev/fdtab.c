/*
 * The descriptor table: queues, watchers and what is known of each descriptor.
 *
 * A watcher stays started once it was needed, because an epoll_ctl(2) per request would cost more
 * than the events nobody waits for; the first such event stops it (turn.c). Everything ends with
 * FORGET: the number may mean another file afterwards, so the watchers are set up anew, which also
 * tells libev to register the descriptor again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "backends/ev/private.h"
#include "core/alloc.h"
#include "core/log.h"

static int fdtab_reserve(struct aio__ev_backend *self, uint32_t count)
{
    uint32_t wanted = self->chunk_count == 0 ? 8 : self->chunk_count;
    struct aio__ev_chunk **chunks;

    if (count <= self->chunk_count)
        return 0;
    while (wanted < count)
        wanted *= 2;
    chunks = aio__alloc_resize(self->chunks, wanted * sizeof(struct aio__ev_chunk *));
    if (chunks == NULL)
        return -ENOMEM;
    memset(chunks + self->chunk_count, 0,
           (wanted - self->chunk_count) * sizeof(struct aio__ev_chunk *));
    self->chunks = chunks;
    self->chunk_count = wanted;
    return 0;
}

static int fdtab_add_chunk(struct aio__ev_backend *self, uint32_t index)
{
    struct aio__ev_chunk *chunk;
    int result = fdtab_reserve(self, index + 1);

    if (result < 0)
        return result;
    chunk = aio__alloc_zero(sizeof *chunk);
    if (chunk == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < AIO__EV_CHUNK_FDS; i++)
        chunk->fds[i].fd = (int32_t)(index << AIO__EV_CHUNK_SHIFT | i);
    self->chunks[index] = chunk;
    return 0;
}

int aio__ev_fd_get(struct aio__ev_backend *self, int fd, struct aio__ev_fd **out)
{
    int result;

    *out = aio__ev_fd_find(self, fd);
    if (*out != NULL)
        return 0;
    /* A wild number must not make the table grow to it. */
    if (fd < 0 || fcntl(fd, F_GETFD) < 0)
        return -EBADF;
    result = fdtab_add_chunk(self, (uint32_t)fd >> AIO__EV_CHUNK_SHIFT);
    if (result == 0)
        *out = aio__ev_fd_find(self, fd);
    return result;
}

void aio__ev_fd_arm(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                    enum aio__ev_side_index index)
{
    ev_io *watcher = &entry->sides[index].watcher;
    uint32_t set = aio__ev_fd_set_flag(index);

    if ((entry->flags & set) == 0) {
        if (index == AIO__EV_READ_SIDE)
            ev_io_init(watcher, aio__ev_read_event, entry->fd, EV_READ);
        else
            ev_io_init(watcher, aio__ev_write_event, entry->fd, EV_WRITE);
        watcher->data = self;
        entry->flags |= set;
    }
    if (!ev_is_active(watcher)) {
        ev_io_start(self->loop, watcher);
        self->rearmed = true;
    }
}

/*
 * libev never takes a descriptor out of its epoll; it trusts close(2) to do so. But close only
 * does when it is the last reference: a dup'ed or inherited descriptor goes on reporting events
 * for a number that means something else by then, and can no longer be removed.
 */
static void fdtab_disarm(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    struct epoll_event unused = {0};

    if ((entry->flags & AIO__EV_FD_READ_SET) != 0)
        ev_io_stop(self->loop, &entry->sides[AIO__EV_READ_SIDE].watcher);
    if ((entry->flags & AIO__EV_FD_WRITE_SET) != 0)
        ev_io_stop(self->loop, &entry->sides[AIO__EV_WRITE_SIDE].watcher);
    if (self->epoll_fd >= 0)
        epoll_ctl(self->epoll_fd, EPOLL_CTL_DEL, entry->fd, &unused);
}

void aio__ev_fd_forget(struct aio__ev_backend *self, int fd)
{
    struct aio__ev_fd *entry = aio__ev_fd_find(self, fd);
    struct epoll_event unused = {0};

    if (entry == NULL || entry->flags == 0)
        return;
    AIO__ASSERT(aio__op_list_empty(&entry->sides[AIO__EV_READ_SIDE].queue));
    AIO__ASSERT(aio__op_list_empty(&entry->sides[AIO__EV_WRITE_SIDE].queue));
    AIO__ASSERT(aio__op_list_empty(&entry->polls));
    if ((entry->flags & AIO__EV_FD_ARMED) != 0)
        fdtab_disarm(self, entry);
    if ((entry->flags & AIO__EV_FD_POLL_SET) != 0)
        epoll_ctl(self->poll_fd, EPOLL_CTL_DEL, fd, &unused);
    entry->flags = 0;
}

void aio__ev_fd_free_all(struct aio__ev_backend *self)
{
    for (uint32_t i = 0; i < self->chunk_count; i++)
        aio__free(self->chunks[i]);
    aio__free(self->chunks);
}
