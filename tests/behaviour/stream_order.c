/*
 * Several tasks on one stream: each direction serves them in their order, a whole call at a time,
 * and the directions do not wait for each other.
 */
#define SUITE "stream_order"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <string.h>

/* Readers get the bytes in the order in which the readers came. */
BEHAVIOUR(readers)
{
    enum { READERS = 6, EACH = 5 };
    struct tcp_raw raw;
    struct tcp_call calls[READERS];
    char got[READERS][EACH + 1];
    int sequence = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < READERS; i++) {
        memset(got[i], 0, sizeof got[i]);
        calls[i] = (struct tcp_call){.kind = TCP_READ_EXACT,
                                     .object = raw.stream,
                                     .buffer = got[i],
                                     .size = EACH,
                                     .sequence = &sequence};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    for (int i = 0; i < READERS; i++) {
        char text[EACH + 1];
        memset(text, 'a' + i, EACH);
        text[EACH] = '\0';
        REQUIRE(tcp_plain_send(raw.fd, text, 2)); /* in pieces, so that the first has to wait */
        tcp_settle();
        REQUIRE(tcp_plain_send(raw.fd, text + 2, EACH - 2));
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), EACH);
        AIO_CHECK_EQ(calls[i].place, i + 1);
        AIO_CHECK_STR(got[i], text);
    }
    tcp_raw_close(&raw);
}

/* Two single reads: the first gets the earlier bytes. */
BEHAVIOUR(two_reads)
{
    struct tcp_raw raw;
    char first = 0, second = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < 100; i++) {
        struct tcp_call calls[2] = {
            {.kind = TCP_READ, .object = raw.stream, .buffer = &first, .size = 1},
            {.kind = TCP_READ, .object = raw.stream, .buffer = &second, .size = 1}};
        REQUIRE(tcp_call_start(&calls[0]) && tcp_call_start(&calls[1]));
        if (i % 2 == 0)
            tcp_settle();
        REQUIRE(tcp_plain_send(raw.fd, "12", 2));
        AIO_CHECK_EQ(tcp_call_join(&calls[0]), 1);
        AIO_CHECK_EQ(tcp_call_join(&calls[1]), 1);
        AIO_CHECK_EQ(first, '1');
        AIO_CHECK_EQ(second, '2');
    }
    tcp_raw_close(&raw);
}

/* Readers that leave the queue, at its head, in its middle and at its end, take nothing with them:
 * the others get their bytes in their order. */
BEHAVIOUR(readers_leave)
{
    enum { READERS = 8 };
    static const bool leaves[READERS] = {true, true, false, true, false, false, true, true};
    struct tcp_raw raw;
    struct tcp_call calls[READERS];
    char bytes[READERS] = "", next = 'a';
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < READERS; i++) {
        calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = raw.stream, .buffer = &bytes[i], .size = 1};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    for (int i = READERS - 1; i >= 0; i--)
        if (leaves[i])
            AIO_CHECK_ERROR(tcp_call_cancel(&calls[i]), -ECANCELED);
    REQUIRE(tcp_plain_send(raw.fd, "abc", 3));
    for (int i = 0; i < READERS; i++) {
        if (leaves[i])
            continue;
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), 1);
        AIO_CHECK_EQ(bytes[i], next++);
    }
    tcp_raw_close(&raw);
}

/* A deadline also bounds the wait for one's turn. */
BEHAVIOUR(deadline_in_the_queue)
{
    struct tcp_raw raw;
    char first = 0, second = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &first, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_TIMEOUT(AIO_MS(3))
    {
        AIO_CHECK_ERROR(aio_stream_read(raw.stream, &second, 1), -ETIMEDOUT);
    }
    AIO_CHECK(!call.ended);
    REQUIRE(tcp_plain_send(raw.fd, "q", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    AIO_CHECK_EQ(first, 'q');
    tcp_raw_close(&raw);
}

enum { WRITERS = 5, BLOCK = 300000 };

/* Each block of the stream is one writer's, whole. */
static void check_blocks(int fd)
{
    unsigned char *block = malloc(BLOCK);
    REQUIRE(block != NULL);
    for (int i = 0; i < WRITERS; i++) {
        size_t at = 0;
        REQUIRE(tcp_plain_receive(fd, block, BLOCK));
        while (at < BLOCK && block[at] == 'a' + i)
            at++;
        AIO_CHECK_EQ(at, BLOCK);
    }
    free(block);
}

/* The bytes of several write_all never mix, though each needs many steps. */
BEHAVIOUR(writers)
{
    struct tcp_raw raw;
    struct tcp_call calls[WRITERS];
    unsigned char *blocks = malloc((size_t)WRITERS * BLOCK);
    int sequence = 0;
    REQUIRE(blocks != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    for (int i = 0; i < WRITERS; i++) {
        memset(blocks + (size_t)i * BLOCK, 'a' + i, BLOCK);
        calls[i] = (struct tcp_call){.kind = TCP_WRITE_ALL,
                                     .object = raw.stream,
                                     .buffer = blocks + (size_t)i * BLOCK,
                                     .size = BLOCK,
                                     .sequence = &sequence};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    check_blocks(raw.fd);
    for (int i = 0; i < WRITERS; i++) {
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), BLOCK);
        AIO_CHECK_EQ(calls[i].place, i + 1);
    }
    tcp_raw_close(&raw);
    free(blocks);
}

/* A writer in the queue that is cancelled has sent nothing. */
BEHAVIOUR(writer_leaves)
{
    struct tcp_raw raw;
    unsigned char *blocks = malloc((size_t)3 * BLOCK);
    static const size_t places[] = {0, 2, 1}; /* the second writer's block is not to be seen */
    struct tcp_call calls[3];
    REQUIRE(blocks != NULL);
    REQUIRE(tcp_raw_open(&raw, 4096));
    test_pattern_fill(blocks, (size_t)2 * BLOCK, 0);
    memset(blocks + (size_t)2 * BLOCK, '?', BLOCK);
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_WRITE_ALL,
                                     .object = raw.stream,
                                     .buffer = blocks + places[i] * BLOCK,
                                     .size = BLOCK};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&calls[1]), -ECANCELED);
    AIO_CHECK_EQ(calls[1].done, 0);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, (uint64_t)2 * BLOCK, 0));
    AIO_CHECK_EQ(tcp_call_join(&calls[0]), BLOCK);
    AIO_CHECK_EQ(tcp_call_join(&calls[2]), BLOCK);
    tcp_raw_close(&raw);
    free(blocks);
}

/* A reader that waits does not keep a writer of the same stream waiting, nor the other way. */
BEHAVIOUR(directions)
{
    struct tcp_raw raw;
    char byte = 0;
    unsigned char *block = malloc((size_t)10 * BLOCK);
    REQUIRE(block != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    test_pattern_fill(block, (size_t)10 * BLOCK, 0);
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    struct tcp_call writer = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = block, .size = (size_t)10 * BLOCK};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, "w", 1, NULL), 1); /* while a reader waits */
    REQUIRE(tcp_call_start(&writer));
    tcp_settle();
    AIO_CHECK(!writer.ended);
    REQUIRE(tcp_plain_send(raw.fd, "r", 1));
    AIO_CHECK_EQ(tcp_call_join(&reader), 1); /* while a writer waits */
    AIO_CHECK_EQ(byte, 'r');
    AIO_CHECK(!writer.ended);
    REQUIRE(tcp_plain_receive(raw.fd, &byte, 1));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, (uint64_t)10 * BLOCK, 0));
    AIO_CHECK_EQ(tcp_call_join(&writer), 10 * BLOCK);
    tcp_raw_close(&raw);
    free(block);
}

/* Both sides write and read a lot at once. */
BEHAVIOUR(both_ways_at_once)
{
    enum { SIZE = 2 << 20 };
    struct tcp_pair pair;
    unsigned char *sent = malloc(SIZE), *got[2] = {malloc(SIZE), malloc(SIZE)};
    REQUIRE(sent != NULL && got[0] != NULL && got[1] != NULL);
    REQUIRE(tcp_pair_open(&pair));
    test_pattern_fill(sent, SIZE, 0);
    struct tcp_call calls[4] = {
        {.kind = TCP_WRITE_ALL, .object = pair.near, .buffer = sent, .size = SIZE},
        {.kind = TCP_WRITE_ALL, .object = pair.far, .buffer = sent, .size = SIZE},
        {.kind = TCP_READ_EXACT, .object = pair.near, .buffer = got[0], .size = SIZE},
        {.kind = TCP_READ_EXACT, .object = pair.far, .buffer = got[1], .size = SIZE}};
    for (int i = 0; i < 4; i++)
        REQUIRE(tcp_call_start(&calls[i]));
    for (int i = 0; i < 4; i++)
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), SIZE);
    test_pattern_check(got[0], SIZE, 0);
    test_pattern_check(got[1], SIZE, 0);
    tcp_pair_close(&pair);
    free(sent);
    free(got[0]);
    free(got[1]);
}
