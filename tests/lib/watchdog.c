/*
 * The watchdog: a test that hangs is ended with a picture of its tasks instead of silence. The
 * thread sleeps between tests; on expiry it signals the thread of the test, whose handler dumps.
 */
#include "tests/lib/lib.h"

#include <aio/time.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#if defined(AIO_HAVE_VALGRIND) && AIO_HAVE_VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { LIMIT_SECONDS = 20 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t test_thread;
    const char *test_name; /* NULL between tests */
    const char *note;
    void (*dump)(int fd);
    int64_t deadline_ns;
    bool running;
    sem_t dumped;
    sem_t ready;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool aio__test_on_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

unsigned aio__test_slowness(void)
{
    const char *text = getenv("AIO_TEST_SLOW");
    unsigned factor = text == NULL ? 1 : (unsigned)strtoul(text, NULL, 10);
    return factor * (SANITIZED || RUNNING_ON_VALGRIND ? 5 : 1);
}

static void on_signal(int number)
{
    (void)number;
    dog.dump(STDERR_FILENO);
    sem_post(&dog.dumped);
}

/* Called with the lock held and never returns: the process is beyond use. */
static void bite(void)
{
    struct timespec limit;
    fprintf(stderr, "\ntest %s hangs (%s); its tasks:\n", dog.test_name, dog.note);
    if (dog.dump != NULL) {
        pthread_kill(dog.test_thread, SIGUSR2);
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 3;
        if (sem_timedwait(&dog.dumped, &limit) != 0)
            fprintf(stderr, "(the thread does not answer signals)\n");
    }
    fprintf(stderr, "test %s was ended by the watchdog (%s)\n", dog.test_name, dog.note);
    abort();
}

static void *watch(void *unused)
{
    pthread_mutex_lock(&dog.lock);
    sem_post(&dog.ready);
    for (;;) {
        if (dog.test_name == NULL) {
            pthread_cond_wait(&dog.changed, &dog.lock);
            continue;
        }
        struct timespec until = {.tv_sec = (time_t)(dog.deadline_ns / AIO_SEC(1)),
                                 .tv_nsec = (long)(dog.deadline_ns % AIO_SEC(1))};
        pthread_cond_timedwait(&dog.changed, &dog.lock, &until);
        if (dog.test_name != NULL && aio_time_now() >= dog.deadline_ns)
            bite();
    }
    return unused;
}

/* Signals that a program under test handles must not land on this thread. */
static void open_thread(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    pthread_condattr_t attributes;
    pthread_t thread;
    sigset_t all, old;

    sigaction(SIGUSR2, &action, NULL);
    sem_init(&dog.dumped, 0, 0);
    sem_init(&dog.ready, 0, 0);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dog.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    dog.running = pthread_create(&thread, NULL, watch, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!dog.running)
        return;
    pthread_detach(thread);
    /* A test that forks while the thread still starts would give its child AddressSanitizer's
     * locks as they stand. */
    while (sem_wait(&dog.ready) != 0)
        continue;
}

void aio__watchdog_start(const char *test_name, const char *note, void (*dump)(int fd))
{
    unsigned slowness = aio__test_slowness();
    if (slowness == 0)
        return;
    if (!dog.running)
        open_thread();
    pthread_mutex_lock(&dog.lock);
    dog.test_thread = pthread_self();
    dog.note = note;
    dog.dump = dump;
    dog.deadline_ns = aio_time_now() + AIO_SEC(LIMIT_SECONDS) * (int64_t)slowness;
    dog.test_name = test_name;
    pthread_cond_signal(&dog.changed);
    pthread_mutex_unlock(&dog.lock);
}

void aio__watchdog_stop(void)
{
    pthread_mutex_lock(&dog.lock);
    dog.test_name = NULL;
    pthread_mutex_unlock(&dog.lock);
}
