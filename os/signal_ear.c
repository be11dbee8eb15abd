/*
 * Threads that hear signals, see signal_ear.h. Each hears one, as its user may have only that.
 */
#include "os/signal_ear.h"

#include "os/disposition.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

enum { EARS = 2 };

static struct ear {
    int number;
    uint32_t users;
    pthread_t thread;
    sem_t over;
} ears[EARS] = {{.number = SIGPIPE}, {.number = SIGXFSZ}};

static void *ear_run(void *arg)
{
    struct ear *ear = arg;
    sigset_t set;
    (void)pthread_setname_np(pthread_self(), "aio-signal");
    sigemptyset(&set);
    sigaddset(&set, ear->number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (sem_wait(&ear->over) < 0)
        ;
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    return NULL;
}

/* The thread lets its signal through by itself: this one may have to go on holding it back. */
static int ear_start(struct ear *ear)
{
    sigset_t all, before;
    if (sem_init(&ear->over, 0, 0) < 0)
        return -errno;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&ear->thread, NULL, ear_run, ear);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        (void)sem_destroy(&ear->over);
    return -error;
}

static void ear_stop(struct ear *ear)
{
    (void)sem_post(&ear->over);
    (void)pthread_join(ear->thread, NULL);
    (void)sem_destroy(&ear->over);
}

static bool ear_meets(const struct ear *ear, uint64_t set)
{
    return (set & aio__signal_bit(ear->number)) != 0;
}

void aio__ear_close(uint64_t set)
{
    for (int i = 0; i < EARS; i++)
        if (ear_meets(&ears[i], set) && --ears[i].users == 0)
            ear_stop(&ears[i]);
}

int aio__ear_open(uint64_t set)
{
    uint64_t opened = 0;
    for (int i = 0; i < EARS; i++) {
        if (!ear_meets(&ears[i], set))
            continue;
        int rc = ears[i].users == 0 ? ear_start(&ears[i]) : 0;
        if (rc < 0) {
            aio__ear_close(opened);
            return rc;
        }
        ears[i].users++;
        opened |= aio__signal_bit(ears[i].number);
    }
    return 0;
}

void aio__ear_forked(void)
{
    for (int i = 0; i < EARS; i++)
        ears[i].users = 0;
}
