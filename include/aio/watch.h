/*
 * <aio/watch.h>: being told what happens to files and folders; see inotify(7).
 *
 * A struct aio_watch looks at any number of paths. The kernel queues what happens from the moment
 * aio_watch_add returns; aio_watch_next takes it, one event at a time, in order.
 *
 *     struct aio_watch *watch;
 *     struct aio_watch_event event;
 *     int rc = aio_watch_open(&watch);
 *     if (rc == 0)
 *         rc = aio_watch_add(watch, "/var/log", IN_CREATE | IN_MODIFY);
 *     while (rc >= 0 && (rc = aio_watch_next(watch, &event)) == 0)
 *         printf("%s\n", event.name);
 *
 * What is told is a hint: by the time it is read the file may have changed again or be gone. When
 * more happens than the kernel queues (fs.inotify.max_queued_events) the rest is dropped, and an
 * event with IN_Q_OVERFLOW says so: look at everything again then. File systems on a network do not
 * tell what happens on other machines.
 *
 * All functions are called from tasks of the core that opened the watch; another caller aborts with
 * a message.
 */
#ifndef AIO_WATCH_H
#define AIO_WATCH_H

#include <aio/base.h>
#include <sys/inotify.h>

AIO_BEGIN_DECLS

struct aio_watch;

/* Something that has happened. */
struct aio_watch_event {
    int id;          /* what aio_watch_add returned; -1 with IN_Q_OVERFLOW */
    uint32_t mask;   /* IN_MODIFY, IN_CREATE and so on; IN_IGNORED: the id is gone */
    uint32_t cookie; /* the same in IN_MOVED_FROM and the IN_MOVED_TO of one rename */
    /* Of what lies in a watched folder; empty: the watched thing itself. Whole, however long it is:
     * there are file systems (those of FUSE, vfat, ntfs3) that have names beyond NAME_MAX. */
    const char *name;
};

/*
 * aio_watch_open makes a watch that looks at nothing yet. It is close-on-exec.
 *
 * Suspends:  never.
 * Context:   a task; the watch belongs to its core.
 * Returns:   0; -ENOMEM; -EMFILE also when the user has no inotify instances left
 *            (fs.inotify.max_user_instances); or another -errno of inotify_init1(2).
 */
AIO_API AIO_NODISCARD int aio_watch_open(struct aio_watch **out);

/*
 * aio_watch_add begins to look at a path, or changes what is looked for at a path that is looked at
 * already; see inotify_add_watch(2). A file is known by itself afterwards, not by its name.
 *
 * Suspends:  while a thread of the offload pool looks the path up.
 * Context:   a task of the watch's core.
 * Lifetime:  path until the call returns.
 * Returns:   an id, 1 or more; -ENOENT, -EACCES, -EINVAL or another -errno of inotify_add_watch(2),
 *            -ENOSPC when the user looks at too many (fs.inotify.max_user_watches); -ECANCELED,
 *            -ETIMEDOUT, -EAGAIN as aio_offload_call; -EBADF once the watch is being closed.
 */
AIO_API AIO_NODISCARD int aio_watch_add(struct aio_watch *watch, const char *path, uint32_t mask);

/*
 * aio_watch_remove stops looking. What has happened before is still told, and then an event with
 * IN_IGNORED.
 *
 * Suspends:  never.
 * Context:   a task of the watch's core.
 * Returns:   0; -EINVAL for an id that is not, or no more, in use; -EBADF while the watch is being
 *            closed.
 */
AIO_API int aio_watch_remove(struct aio_watch *watch, int id);

/*
 * aio_watch_next waits for the next event. Several tasks may wait; each event goes to one of them,
 * first come, first served.
 *
 * Suspends:  until something happens.
 * Context:   a task of the watch's core.
 * Lifetime:  event->name until the next call on the watch. One that waits already is the next call
 *            as soon as this task suspends: with several tasks, who suspends copies the name first.
 * Returns:   0 with *event set; -ECANCELED; -ETIMEDOUT; -EBADF once the watch is being closed; or
 *            another -errno of read(2). No event is lost by an interruption.
 */
AIO_API AIO_NODISCARD int aio_watch_next(struct aio_watch *watch, struct aio_watch_event *event);

/*
 * aio_watch_close ends the watch. Calls that wait on it return -EBADF. NULL is ignored.
 *
 * Suspends:  until every call on the watch has returned and a thread of the offload pool has closed
 *            it, which takes the kernel some milliseconds; shielded.
 * Context:   a task of the watch's core.
 * Lifetime:  the watch is gone after the call.
 */
AIO_API void aio_watch_close(struct aio_watch *watch);

AIO_END_DECLS

#endif
