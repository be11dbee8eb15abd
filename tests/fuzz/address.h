/*
 * Fuzzing of the address parser: what must hold for any text at all, and texts at random, out of
 * the characters that mean something to it or mutated from good ones. The unit tests run a bounded
 * number of them with the seed that is printed.
 *
 * What is accepted is compared with getaddrinfo(3), which reads more forms but none differently.
 */
#ifndef AIO_TESTS_FUZZ_ADDRESS_H
#define AIO_TESTS_FUZZ_ADDRESS_H

#include "tests/harness/harness.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { FUZZ_TEXT_BYTES = 96 };

static inline size_t fuzz_below(size_t limit)
{
    return (size_t)(test_random() % limit);
}

static inline char fuzz_character(void)
{
    static const char meaning[] = "0123456789abcdefABCDEF:::...[]%*lo -+x\n";
    return fuzz_below(16) == 0 ? (char)(1 + fuzz_below(255))
                               : meaning[fuzz_below(sizeof meaning - 1)];
}

/* A text at random. */
static inline void fuzz_invent(char *text)
{
    size_t length = fuzz_below(FUZZ_TEXT_BYTES);
    for (size_t i = 0; i < length; i++)
        text[i] = fuzz_character();
    text[length] = '\0';
}

/* One change: a character replaced, taken out, put in, or the text cut or doubled there. */
static inline void fuzz_change(char *text)
{
    size_t length = strlen(text), at = fuzz_below(length + 1);
    switch (fuzz_below(5)) {
    case 0:
        if (at < length)
            text[at] = fuzz_character();
        break;
    case 1:
        if (at < length)
            memmove(text + at, text + at + 1, length - at);
        break;
    case 2:
        if (length + 1 < FUZZ_TEXT_BYTES) {
            memmove(text + at + 1, text + at, length - at + 1);
            text[at] = fuzz_character();
        }
        break;
    case 3:
        text[at] = '\0';
        break;
    default:
        if (length + length - at < FUZZ_TEXT_BYTES)
            memmove(text + length, text + at, length - at + 1);
        break;
    }
}

/* A good address with some changes. */
static inline void fuzz_mutate(char *text)
{
    static const char *const good[] = {"127.0.0.1:80",
                                       ":80",
                                       "*:0",
                                       "[::1]:65535",
                                       "[fe80::1%lo]:80",
                                       "255.255.255.255:65535",
                                       "[::ffff:1.2.3.4]:1",
                                       "[2001:db8:1:2:3:4:5:6]:443",
                                       "[fe80::1%1]:80"};
    const char *seed = good[fuzz_below(sizeof good / sizeof good[0])];
    memcpy(text, seed, strlen(seed) + 1);
    for (size_t changes = 1 + fuzz_below(4); changes > 0; changes--)
        fuzz_change(text);
}

/* The same text as getaddrinfo(3) reads it: the host without brackets and without zone, which it
 * knows for link-local addresses only; nothing and "*" as zeros. */
static inline bool fuzz_reference(const char *text, struct aio_address *out)
{
    char host[FUZZ_TEXT_BYTES + 1];
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    if (colon == NULL)
        return false;
    size_t length = (size_t)(colon - text) - (bracketed ? 2 : 0);
    memcpy(host, text + bracketed, length);
    host[length] = '\0';
    host[strcspn(host, "%")] = '\0';
    bool any = length == 0 || strcmp(host, "*") == 0;
    if (getaddrinfo(any ? "0.0.0.0" : host, colon + 1, &hints, &found) != 0)
        return false;
    *out = (struct aio_address){.length = found->ai_addrlen};
    memcpy(&out->any, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static inline bool fuzz_same(const struct aio_address *left, const struct aio_address *right)
{
    return AIO_CHECK_EQ(left->length, right->length) &&
           AIO_CHECK(memcmp(&left->any, &right->any, left->length) == 0);
}

/* The same, the zone left aside. */
static inline bool fuzz_same_host(const struct aio_address *address, struct aio_address other)
{
    if (address->any.sa_family == AF_INET6)
        other.v6.sin6_scope_id = address->v6.sin6_scope_id;
    return fuzz_same(address, &other);
}

/* What was accepted reads back from its own text, and says what the reference says. */
static inline bool fuzz_accepted(const char *text, const struct aio_address *address)
{
    struct aio_address other;
    char again[AIO_ADDRESS_TEXT_BYTES];
    return AIO_CHECK_OK(aio_address_format(address, again, sizeof again)) &&
           AIO_CHECK_OK(aio_address_parse(&other, again)) && fuzz_same(address, &other) &&
           AIO_CHECK(fuzz_reference(text, &other)) && fuzz_same_host(address, other);
}

/* What must hold for any text. It is parsed in a block of its own size: sanitizers see its end. */
static inline bool fuzz_holds(const char *text, bool *accepted)
{
    struct aio_address address, untouched;
    char *block = strdup(text);
    if (!AIO_CHECK(block != NULL))
        return false;
    memset(&untouched, 0x5a, sizeof untouched);
    address = untouched;
    int rc = aio_address_parse(&address, block);
    *accepted = rc == 0;
    bool good = AIO_CHECK(strcmp(block, text) == 0);
    free(block);
    if (rc == 0)
        return good && fuzz_accepted(text, &address);
    return good && AIO_CHECK(rc == -EINVAL || rc == -ENODEV) &&
           AIO_CHECK(memcmp(&address, &untouched, sizeof address) == 0);
}

#endif
