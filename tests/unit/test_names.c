/*
 * The inside of names: the readers of names and hosts files under texts at random, the cache
 * against what it must hold, and lookups while memory is short.
 */
#define SUITE "names"
#include "tests/fuzz/address.h"

#include "core/alloc.h"
#include "net/resolve.h"

#include <stdio.h>
#include <unistd.h>

/* What was accepted has the parts that a name has, and each letter is lower-case. */
static bool name_holds(const char *text)
{
    struct aio__name name;
    char *block = strdup(text); /* of its own size: sanitizers see its end */
    int rc = aio__name_parse(&name, block);
    free(block);
    if (rc != 0)
        return AIO_CHECK_EQ(rc, -EINVAL);
    size_t length = strcspn(text, ":");
    return AIO_CHECK_EQ(strlen(name.host), length) && AIO_CHECK(length > 0 && length < 255) &&
           AIO_CHECK(strncasecmp(name.host, text, length) == 0) &&
           AIO_CHECK(strspn(name.host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == length) &&
           AIO_CHECK(name.host[0] != '.' && strstr(name.host, "..") == NULL);
}

/* A name with some changes. */
static void name_mutate(char *text)
{
    static const char *const good[] = {"a.test:80", "Example.COM.:443", "x-1_y:0", "a.b.c.d:65535"};
    const char *seed = good[fuzz_below(4)];
    memcpy(text, seed, strlen(seed) + 1);
    for (size_t changes = fuzz_below(4); changes > 0; changes--)
        fuzz_change(text);
}

PLAIN(name_texts)
{
    char text[FUZZ_TEXT_BYTES];
    for (int i = 100000 / (int)test_slowness(); i > 0; i--) {
        if (i % 2 == 0)
            fuzz_invent(text);
        else
            name_mutate(text);
        if (!name_holds(text)) {
            AIO_CHECK_STR(text, NULL);
            break;
        }
    }
}

static void answers_reset(struct aio__answer answers[2])
{
    answers[AIO__V6] = (struct aio__answer){.family = AF_INET6, .pending = true};
    answers[AIO__V4] = (struct aio__answer){.family = AF_INET, .pending = true};
}

/* Words that mean something in a hosts file, in any order. */
static void hosts_invent(FILE *file)
{
    static const char *const words[] = {"127.0.0.1", "::1",   " ",  "\t", "\n",        "host", "#",
                                        "HOST",      "other", "\r", "\n", "1.2.3.400", "",     "x"};
    for (size_t count = fuzz_below(200); count > 0; count--)
        fputs(words[fuzz_below(sizeof words / sizeof words[0])], file);
    if (fuzz_below(8) == 0)
        fputc('\0', file);
}

/* No hosts file does harm, and what is found is bounded. */
PLAIN(hosts_texts)
{
    char path[] = "/tmp/aio-names-XXXXXX";
    int found = 0, fd = mkstemp(path);
    REQUIRE(fd >= 0);
    for (int i = 100 / (int)test_slowness(); i > 0; i--) {
        struct aio__hosts hosts = {.text = NULL};
        struct aio__answer answers[2];
        FILE *file = fopen(path, "we");
        REQUIRE(file != NULL);
        hosts_invent(file);
        fclose(file);
        answers_reset(answers);
        int rc = aio__hosts_find(&hosts, path, i % 2 == 0 ? "host" : "host.", answers);
        AIO_CHECK(rc == 0 || rc == 1);
        AIO_CHECK(rc == 1 || answers[AIO__V6].count + answers[AIO__V4].count == 0);
        AIO_CHECK(answers[AIO__V6].count <= AIO__ANSWER_MAX);
        AIO_CHECK(answers[AIO__V4].count <= AIO__ANSWER_MAX);
        found += rc;
        aio__hosts_free(&hosts);
    }
    AIO_CHECK(found > 0);
    close(fd);
    unlink(path);
}

/* The cache against an array: it holds the entries used last, and of those the newest version. */
PLAIN(cache)
{
    enum { NAMES = 40, LIMIT = 16 };
    struct aio__cache cache = {.limit = LIMIT};
    struct aio__answer answers[2];
    int values[NAMES] = {0};
    int64_t untils[NAMES] = {0};
    char name[16];
    int64_t now = 1;
    for (int round = 0; round < 5000; round++, now++) {
        size_t at = fuzz_below(NAMES);
        snprintf(name, sizeof name, "n%zu.test", at);
        answers_reset(answers);
        if (fuzz_below(2) == 0) {
            values[at] = round;
            untils[at] = now + 1 + (int64_t)fuzz_below(100);
            aio__answer_add(&answers[AIO__V4], &values[at]);
            aio__cache_store(&cache, name, &answers[AIO__V4], untils[at]);
        } else if (aio__cache_find(&cache, name, &answers[AIO__V4], now)) {
            AIO_CHECK(untils[at] > now);
            AIO_CHECK_EQ(answers[AIO__V4].count, 1);
            AIO_CHECK(memcmp(&answers[AIO__V4].hosts[0], &values[at], 4) == 0);
        }
        AIO_CHECK(!aio__cache_find(&cache, name, &answers[AIO__V6], now));
        AIO_CHECK(cache.count <= LIMIT);
    }
    AIO_CHECK(cache.count > LIMIT / 2);
    aio__cache_free(&cache);
    AIO_CHECK_EQ(cache.count, 0);
}

/* Lookups with each allocation failing in turn: the error, or the result as if nothing had been. */
static void resolve_stubbornly(const char *text, int wanted)
{
    struct aio_address found[2];
    int rc = -ENOMEM;
    for (int n = 1; n < 40; n++) {
        aio__alloc_fail_at(n);
        rc = aio_resolve_name(found, 2, text, AIO_RESOLVE_ANY);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == -ENOMEM || AIO_CHECK_EQ(rc, wanted));
    }
    AIO_CHECK_EQ(rc, wanted);
}

static int without_memory(void *arg)
{
    (void)arg;
    struct aio_resolve_options options = AIO_RESOLVE_OPTIONS;
    options.servers = "127.0.0.1:1"; /* where nobody is */
    options.hosts = "/nonexistent/hosts";
    options.tries = 1;
    resolve_stubbornly("db.localhost:80", 2);
    for (int n = 1, rc = -ENOMEM; rc == -ENOMEM && n < 40; n++) {
        aio__alloc_fail_at(n);
        rc = aio_resolve_setup(&options);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || rc == -ENOMEM || rc == -ENOSYS);
        if (rc == -ENOSYS)
            return 0;
    }
    resolve_stubbornly("a.test:80", -EHOSTDOWN);
    return 0;
}

PLAIN(without_memory)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    AIO_CHECK_OK(aio_runtime_run(&options, without_memory, NULL));
}
