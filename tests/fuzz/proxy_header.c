/*
 * PROXY headers: a header is accepted when it is complete and not before, and reads back from the
 * line that is made of it.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/proxy/header.c"

static void check_again(const struct proxy_header *header)
{
    char line[PROXY_LINE_MAX + 1];
    struct proxy_header again;
    int length = proxy_header_format(line, header);
    FUZZ_CHECK(length > 0 && length <= PROXY_LINE_MAX);
    FUZZ_CHECK(proxy_header_parse(&again, line, (size_t)length) == length);
    FUZZ_CHECK(again.source.length == header->source.length);
    FUZZ_CHECK(memcmp(&again.source.any, &header->source.any, again.source.length) == 0);
}

FUZZ_TARGET(proxy_header)
{
    struct proxy_header header = {.source.length = 0};
    char *block = fuzz_block(data, size);
    int rc = proxy_header_parse(&header, block, size);
    FUZZ_CHECK(rc == -EINVAL || (rc >= 0 && (size_t)rc <= size && rc <= PROXY_HEADER_MAX));
    if (rc > 0) {
        check_again(&header);
        FUZZ_CHECK(proxy_header_parse(&header, block, (size_t)rc) == rc);
        FUZZ_CHECK(proxy_header_parse(&header, block, (size_t)rc - 1) == 0);
    }
    free(block);
    return 0;
}
