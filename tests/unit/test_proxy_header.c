/*
 * The PROXY header parser of examples/proxy: good headers and bad ones, each in pieces and in a
 * block of its own size, whose end sanitizers see. At random: tests/fuzz/proxy_header.c.
 */
#define SUITE "proxy_header"
#include "examples/proxy/header.c"
#include "tests/harness/harness.h"

#include <stdlib.h>

struct sample {
    const char *bytes;
    size_t size;
    int result;         /* of all of it */
    const char *source; /* NULL: not told */
};

#define TEXT(text) (text), sizeof(text) - 1
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x01\x02\x03\x04\x7f\0\0\x01\x1f\x90\0\x50"

static const struct sample samples[] = {
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80\r\n"), 38, "1.2.3.4:8080"},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80\r\nGET"), 38, "1.2.3.4:8080"},
    {TEXT("PROXY TCP6 ::1 2001:db8::1 1 65535\r\n"), 36, "[::1]:1"},
    {TEXT("PROXY UNKNOWN\r\n"), 15, NULL},
    {TEXT("PROXY UNKNOWN what ever it is\r\n"), 31, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80"), 0, NULL},
    {TEXT("PRO"), 0, NULL},
    {TEXT(""), 0, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 65536\r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 080\r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80 \r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 1.2.3.4 127.0.0.1 8080 80 x\r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4  1.2.3.4 127.0.0.1 8080 80\r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 ::1 ::1 8080 80\r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP5 1.2.3.4 127.0.0.1 8080 80\r\n"), -EINVAL, NULL},
    {TEXT("PROXY\r\n"), -EINVAL, NULL},
    {TEXT("PROXY \r\n"), -EINVAL, NULL},
    {TEXT("PROXY TCP4 1.2.3.4\0 127.0.0.1 8080 80\r\n"), -EINVAL, NULL},
    {TEXT("GET / HTTP/1.1\r\n"), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x21\x11\0\x0c" V4), 28, "1.2.3.4:8080"},
    {TEXT(SIGNATURE "\x21\x11\0\x10" V4 "\x04\0\x01\0behind"), 32, "1.2.3.4:8080"},
    {TEXT(SIGNATURE "\x20\x11\0\x0c" V4), 28, NULL},
    {TEXT(SIGNATURE "\x20\0\0\0"), 16, NULL},
    {TEXT(SIGNATURE "\x21\0\0\0"), 16, NULL},
    {TEXT(SIGNATURE "\x21\x11\0\x0c" V4 V4), 28, "1.2.3.4:8080"},
    {TEXT(SIGNATURE "\x21\x11\0\x0d" V4), 0, NULL},
    {TEXT(SIGNATURE "\x21\x11\0\x0b" V4), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x21\x21\0\x0c" V4), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x21\x12\0\x0c" V4), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x31\x11\0\x0c" V4), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x22\x11\0\x0c" V4), -EINVAL, NULL},
    {TEXT(SIGNATURE "\x21\x11\xff\xff" V4), -EINVAL, NULL},
    {TEXT("\r\n\r\nx"), -EINVAL, NULL},
};

enum { SAMPLES = sizeof samples / sizeof samples[0] };

static int parse_block_of(struct proxy_header *header, const char *bytes, size_t size)
{
    char *block = malloc(size > 0 ? size : 1);
    memcpy(block, bytes, size);
    int rc = proxy_header_parse(header, block, size);
    free(block);
    return rc;
}

static void check_sample(const struct sample *sample)
{
    struct proxy_header header = {.source.length = 0};
    char text[AIO_ADDRESS_TEXT_BYTES];
    AIO_CHECK_EQ(parse_block_of(&header, sample->bytes, sample->size), sample->result);
    if (sample->source == NULL) {
        AIO_CHECK_EQ(header.source.length, 0);
    } else {
        AIO_CHECK_OK(aio_address_format(&header.source, text, sizeof text));
        AIO_CHECK_STR(text, sample->source);
    }
}

PLAIN(proxy_headers)
{
    for (int i = 0; i < SAMPLES; i++)
        check_sample(&samples[i]);
}

/* As long as it is not complete it is neither accepted nor refused; then it does not change. */
PLAIN(proxy_headers_in_pieces)
{
    struct proxy_header header;
    for (int i = 0; i < SAMPLES; i++)
        for (size_t size = 0; samples[i].result > 0 && size <= samples[i].size; size++)
            AIO_CHECK_EQ(parse_block_of(&header, samples[i].bytes, size),
                         size < (size_t)samples[i].result ? 0 : samples[i].result);
}

PLAIN(proxy_lines_without_end)
{
    char line[200];
    struct proxy_header header;
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    AIO_CHECK_EQ(parse_block_of(&header, line, PROXY_LINE_MAX - 1), 0);
    AIO_CHECK_ERROR(parse_block_of(&header, line, PROXY_LINE_MAX), -EINVAL);
    memcpy(line + PROXY_LINE_MAX - 2, "\r\n", 2);
    AIO_CHECK_EQ(parse_block_of(&header, line, sizeof line), PROXY_LINE_MAX);
}
