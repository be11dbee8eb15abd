/*
 * The reaper: a thread that takes the status of detached processes when they end, so that none
 * stays a zombie. It is the process's own, since they may outlive every runtime. It starts with the
 * first of them and ends with the last; where it cannot be started, the next one tries again.
 */
#include "os/process.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#define REAPER_BATCH 16

static struct {
    pthread_mutex_t lock;
    int epoll; /* of the pidfds; -1: there are none */
    size_t count;
    bool runs;
} reaper = {.lock = PTHREAD_MUTEX_INITIALIZER, .epoll = -1};

/* Returns whether any are left. With the lock held. */
static bool reaper_forget(size_t count)
{
    reaper.count -= count;
    if (reaper.count > 0)
        return true;
    (void)close(reaper.epoll);
    reaper.epoll = -1;
    reaper.runs = false;
    return false;
}

/* A thread for one: where no descriptor is to be had for all of them. */
static void *reaper_run_for_one(void *pidfd)
{
    int fd = (int)(intptr_t)pidfd;
    (void)pthread_setname_np(pthread_self(), "aio-reaper");
    (void)aio__process_look(fd, 0, NULL);
    (void)close(fd);
    return NULL;
}

/* With all signals blocked: they are the program's. */
static bool reaper_start(void *(*run)(void *arg), int pidfd)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&all);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool runs = pthread_create(&thread, &attributes, run, (void *)(intptr_t)pidfd) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return runs;
}

/* One that has ended. A debugger may have to see its status first, and hold up no others. Closing
 * it does not take it off the epoll as long as a child of fork(2), or one that has not come to its
 * exec, has it too: its number, which may be another's by then, would be told of again. */
static void reaper_take(int pidfd)
{
    (void)epoll_ctl(reaper.epoll, EPOLL_CTL_DEL, pidfd, NULL);
    if (aio__process_look(pidfd, WNOHANG, NULL) == 0) {
        if (reaper_start(reaper_run_for_one, pidfd))
            return;
        (void)aio__process_look(pidfd, 0, NULL);
    }
    (void)close(pidfd);
}

static void *reaper_run(void *unused)
{
    (void)unused;
    struct epoll_event events[REAPER_BATCH];
    bool more = true;
    (void)pthread_setname_np(pthread_self(), "aio-reaper");
    while (more) {
        int count = epoll_wait(reaper.epoll, events, REAPER_BATCH, -1);
        for (int i = 0; i < count; i++)
            reaper_take(events[i].data.fd);
        pthread_mutex_lock(&reaper.lock);
        more = reaper_forget(count > 0 ? (size_t)count : 0);
        pthread_mutex_unlock(&reaper.lock);
    }
    return NULL;
}

/* In a child of fork(2) there is no such thread, and the processes are not its children. */
static void reaper_forked(void)
{
    pthread_mutex_init(&reaper.lock, NULL);
    if (reaper.epoll >= 0)
        (void)close(reaper.epoll);
    reaper.epoll = -1;
    reaper.count = 0;
    reaper.runs = false;
}

static void reaper_watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, reaper_forked);
}

/* With the lock held. */
static int reaper_add(int pidfd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pidfd};
    if (reaper.epoll < 0)
        reaper.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (reaper.epoll < 0)
        return -errno;
    if (epoll_ctl(reaper.epoll, EPOLL_CTL_ADD, pidfd, &event) < 0) {
        int rc = -errno;
        (void)(reaper.count == 0 && reaper_forget(0));
        return rc;
    }
    reaper.count++;
    return 0;
}

void aio__process_orphan(int pidfd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, reaper_watch_forks);
    pthread_mutex_lock(&reaper.lock);
    int rc = reaper_add(pidfd);
    if (rc == 0 && !reaper.runs)
        reaper.runs = reaper_start(reaper_run, pidfd);
    pthread_mutex_unlock(&reaper.lock);
    if (rc < 0 && !reaper_start(reaper_run_for_one, pidfd)) {
        aio__log_warn("process: a detached child will not be reaped: %s", aio_error_name(rc));
        (void)close(pidfd);
    }
}
