/*
 * Addresses: what is accepted reads back from its own text, and says what getaddrinfo(3) says,
 * which reads more forms but none differently. What is refused leaves the result alone.
 */
#include "tests/fuzz/fuzz.h"

#include <aio/net.h>
#include <errno.h>
#include <netdb.h>

/* The same text as getaddrinfo(3) reads it: the host without brackets and without zone, which it
 * knows for link-local addresses only; nothing and "*" as zeros. */
static bool reference(const char *text, struct aio_address *out)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    if (colon == NULL)
        return false;
    size_t length = (size_t)(colon - text) - (bracketed ? 2 : 0);
    char *host = fuzz_text((const uint8_t *)text + bracketed, length);
    host[strcspn(host, "%")] = '\0';
    bool any = length == 0 || strcmp(host, "*") == 0;
    int rc = getaddrinfo(any ? "0.0.0.0" : host, colon + 1, &hints, &found);
    free(host);
    if (rc != 0)
        return false;
    *out = (struct aio_address){.length = found->ai_addrlen};
    memcpy(&out->any, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

static bool same(const struct aio_address *left, const struct aio_address *right)
{
    return left->length == right->length && memcmp(&left->any, &right->any, left->length) == 0;
}

static void check_accepted(const char *text, const struct aio_address *address)
{
    struct aio_address other;
    char again[AIO_ADDRESS_TEXT_BYTES];
    FUZZ_CHECK(aio_address_format(address, again, sizeof again) >= 0);
    FUZZ_CHECK(aio_address_parse(&other, again) == 0 && same(address, &other));
    FUZZ_CHECK(reference(text, &other));
    if (address->any.sa_family == AF_INET6) /* the zone is left aside */
        other.v6.sin6_scope_id = address->v6.sin6_scope_id;
    FUZZ_CHECK(same(address, &other));
}

FUZZ_TARGET(address)
{
    struct aio_address address, untouched;
    char *text = fuzz_text(data, size);
    memset(&untouched, 0x5a, sizeof untouched);
    address = untouched;
    int rc = aio_address_parse(&address, text);
    FUZZ_CHECK(rc == 0 || rc == -EINVAL || rc == -ENODEV);
    if (rc == 0)
        check_accepted(text, &address);
    else
        FUZZ_CHECK(memcmp(&address, &untouched, sizeof address) == 0);
    free(text);
    return 0;
}
