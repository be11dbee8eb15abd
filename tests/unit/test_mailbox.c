/*
 * The mailbox: order, and the sleep protocol under a storm of threads. The backend is a counter.
 */
#define SUITE "mailbox"
#include "tests/harness/harness.h"

#include "core/backend.h"
#include "core/mailbox.h"

#include <pthread.h>
#include <semaphore.h>

/* A backend that only knows how to be woken. */
struct sleeper {
    struct aio__backend base;
    sem_t woken;
};

static void sleeper_wakeup(struct aio__backend *self)
{
    sem_post(&((struct sleeper *)(void *)self)->woken);
}

static const struct aio__backend_vtable sleeper_vtable = {.name = "sleeper",
                                                          .wakeup = sleeper_wakeup};

static struct sleeper sleeper = {.base = {.vtable = &sleeper_vtable}};
static atomic_int busy;
static struct aio__mailbox *mailbox;

static void open_mailbox(void)
{
    atomic_store(&busy, 1);
    mailbox = aio__mailbox_open(&busy);
    mailbox->backend = &sleeper.base;
    sem_init(&sleeper.woken, 0, 0);
}

static void close_mailbox(void)
{
    AIO_CHECK(aio__mailbox_close(mailbox));
    aio__mailbox_free(mailbox);
    sem_destroy(&sleeper.woken);
}

/* Goes to sleep if it may. */
static bool sleep_as(enum aio__mailbox_state state)
{
    bool last;
    return aio__mailbox_sleep(mailbox, state, &last);
}

struct letter {
    struct aio__mail mail;
    int number;
};

static int delivered;

static void deliver_in_order(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    AIO_CHECK_EQ(((struct letter *)(void *)mail)->number, delivered);
    delivered++;
}

PLAIN(mail_arrives_in_order)
{
    struct letter letters[10];
    open_mailbox();
    delivered = 0;
    for (int i = 0; i < 10; i++) {
        letters[i] = (struct letter){{NULL, deliver_in_order}, i};
        AIO_CHECK(aio__mailbox_post(mailbox, &letters[i].mail));
    }
    AIO_CHECK(!sleep_as(AIO__ASLEEP)); /* there is mail: no sleep */
    aio__mailbox_awake(mailbox);
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK_EQ(delivered, 10);
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK_EQ(delivered, 10);
    close_mailbox();
}

PLAIN(only_a_sleeper_is_woken)
{
    struct letter letters[3];
    int value = -1;
    open_mailbox();
    delivered = 0;
    for (int i = 0; i < 3; i++)
        letters[i] = (struct letter){{NULL, deliver_in_order}, i};
    (void)aio__mailbox_post(mailbox, &letters[0].mail);
    sem_getvalue(&sleeper.woken, &value);
    AIO_CHECK_EQ(value, 0);
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK(sleep_as(AIO__ASLEEP));
    (void)aio__mailbox_post(mailbox, &letters[1].mail);
    (void)aio__mailbox_post(mailbox, &letters[2].mail);
    sem_getvalue(&sleeper.woken, &value);
    AIO_CHECK_EQ(value, 1); /* once a sleep */
    aio__mailbox_awake(mailbox);
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK_EQ(delivered, 3);
    close_mailbox();
}

enum { POSTERS = 3 };

/* Each poster has one letter, which it posts again as soon as it has arrived. */
struct poster {
    struct aio__mail mail;
    pthread_t thread;
    sem_t arrived;
    int rounds;
};

static int arrivals;

static void deliver_back(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    arrivals++;
    sem_post(&((struct poster *)(void *)mail)->arrived);
}

static void *post_again_and_again(void *arg)
{
    struct poster *poster = arg;
    for (int i = 0; i < poster->rounds; i++) {
        AIO_CHECK(aio__mailbox_post(mailbox, &poster->mail));
        while (sem_wait(&poster->arrived) != 0)
            continue;
    }
    return NULL;
}

/* A lost wake-up leaves everybody waiting, which the watchdog ends. */
PLAIN(no_wakeup_is_lost)
{
    struct poster posters[POSTERS];
    int rounds = 4000 / (int)test_slowness();
    open_mailbox();
    arrivals = 0;
    for (int i = 0; i < POSTERS; i++) {
        posters[i].mail = (struct aio__mail){NULL, deliver_back};
        posters[i].rounds = rounds;
        sem_init(&posters[i].arrived, 0, 0);
        REQUIRE(pthread_create(&posters[i].thread, NULL, post_again_and_again, &posters[i]) == 0);
    }
    while (arrivals < POSTERS * rounds) {
        aio__mailbox_drain(NULL, mailbox);
        if (arrivals < POSTERS * rounds && sleep_as(AIO__ASLEEP))
            while (sem_wait(&sleeper.woken) != 0)
                continue;
        aio__mailbox_awake(mailbox);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        sem_destroy(&posters[i].arrived);
    }
    close_mailbox();
}

/* The count of busy cores follows who sleeps with nothing but mail to wait for. */
PLAIN(idling_is_counted)
{
    struct letter letter = {{NULL, deliver_in_order}, 0};
    bool last;
    open_mailbox();
    delivered = 0;
    AIO_CHECK(aio__mailbox_sleep(mailbox, AIO__ASLEEP, &last));
    AIO_CHECK(!last);
    AIO_CHECK_EQ(busy, 1);
    aio__mailbox_awake(mailbox);
    AIO_CHECK(aio__mailbox_sleep(mailbox, AIO__IDLE, &last));
    AIO_CHECK(last);
    AIO_CHECK_EQ(busy, 0);
    AIO_CHECK(aio__mailbox_post(mailbox, &letter.mail)); /* counts it in */
    AIO_CHECK_EQ(busy, 1);
    aio__mailbox_awake(mailbox);
    AIO_CHECK_EQ(busy, 1);
    AIO_CHECK(!aio__mailbox_sleep(mailbox, AIO__IDLE, &last)); /* there is mail */
    AIO_CHECK(!last);
    AIO_CHECK_EQ(busy, 1);
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK(aio__mailbox_sleep(mailbox, AIO__IDLE, &last));
    aio__mailbox_awake(mailbox); /* woken by something else */
    AIO_CHECK_EQ(busy, 1);
    close_mailbox();
}

PLAIN(a_closed_mailbox_refuses)
{
    struct letter letter = {{NULL, deliver_in_order}, 0};
    open_mailbox();
    delivered = 0;
    AIO_CHECK(aio__mailbox_post(mailbox, &letter.mail));
    AIO_CHECK(!aio__mailbox_close(mailbox)); /* not while there is mail */
    aio__mailbox_drain(NULL, mailbox);
    AIO_CHECK_EQ(delivered, 1);
    AIO_CHECK(aio__mailbox_close(mailbox));
    AIO_CHECK(!aio__mailbox_post(mailbox, &letter.mail));
    aio__mailbox_rouse(mailbox); /* harmless, however late */
    aio__mailbox_free(mailbox);
    sem_destroy(&sleeper.woken);
}
