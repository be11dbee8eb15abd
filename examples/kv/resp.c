/*
 * The Redis protocol: requests are arrays of bulk strings, or a line of words; replies are put
 * together in a buffer.
 */
#include "examples/kv/kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (64 * 1024)

/* The line that begins at *at, without its end; *at goes behind it. 1, 0: not complete, -1: too
 * long */
static int next_line(const char **at, const char *end, struct slice *line)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    if (newline == NULL)
        return end - *at > LINE_MAX_BYTES ? -1 : 0;
    *line = (struct slice){*at, (size_t)(newline - *at)};
    if (line->length > 0 && newline[-1] == '\r')
        line->length--;
    *at = newline + 1;
    return 1;
}

/* A decimal number of at most `limit` after the line's first character; -1 when it is none. */
static long line_number(struct slice line, long limit)
{
    long number = 0;
    if (line.length < 2 || line.length > 10)
        return -1;
    for (size_t i = 1; i < line.length; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return -1;
        number = number * 10 + (line.data[i] - '0');
    }
    return number <= limit ? number : -1;
}

static long parse_words(const char *data, const char *end, struct request *request,
                        const char **problem)
{
    const char *at = data;
    struct slice line;
    int found = next_line(&at, end, &line);
    *problem = "too big inline request";
    if (found <= 0)
        return found;
    for (size_t i = 0; i < line.length;) {
        size_t begin = i;
        while (i < line.length && line.data[i] != ' ')
            i++;
        if (i > begin && request->count < KV_ARGUMENTS_MAX)
            request->arguments[request->count++] = (struct slice){line.data + begin, i - begin};
        i++;
    }
    return at - data;
}

/* One bulk string. 1, 0: not complete, -1: wrong */
static int parse_bulk(const char **at, const char *end, struct slice *argument,
                      const char **problem)
{
    struct slice line;
    int found = next_line(at, end, &line);
    *problem = "invalid bulk length";
    if (found <= 0)
        return found;
    long length = line_number(line, KV_BULK_MAX);
    if (line.data[0] != '$' || length < 0)
        return -1;
    if (end - *at < length + 2)
        return 0;
    if ((*at)[length] != '\r' || (*at)[length + 1] != '\n')
        return -1;
    *argument = (struct slice){*at, (size_t)length};
    *at += length + 2;
    return 1;
}

long resp_parse(const char *data, size_t size, struct request *request, const char **problem)
{
    const char *at = data;
    const char *end = data + size;
    struct slice line;
    request->count = 0;
    if (size == 0)
        return 0;
    if (data[0] != '*')
        return parse_words(data, end, request, problem);
    int found = next_line(&at, end, &line);
    *problem = "invalid multibulk length";
    if (found <= 0)
        return found;
    long count = line_number(line, KV_ARGUMENTS_MAX);
    if (count < 0)
        return -1;
    for (long i = 0; i < count; i++) {
        found = parse_bulk(&at, end, &request->arguments[i], problem);
        if (found <= 0)
            return found;
    }
    request->count = (int)count;
    return at - data;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    if (buffer->length + length > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : 1024;
        while (capacity < buffer->length + length)
            capacity *= 2;
        char *grown = realloc(buffer->data, capacity);
        if (grown == NULL) {
            buffer->failed = true;
            return;
        }
        buffer->data = grown;
        buffer->capacity = capacity;
    }
    if (length > 0)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void reply_text(struct buffer *out, const char *line)
{
    buffer_append(out, line, strlen(line));
    buffer_append(out, "\r\n", 2);
}

static void reply_head(struct buffer *out, char kind, int64_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *--at = '\n';
    *--at = '\r';
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--at = '-';
    *--at = kind;
    buffer_append(out, at, (size_t)(digits + sizeof digits - at));
}

void reply_number(struct buffer *out, int64_t number)
{
    reply_head(out, ':', number);
}

void reply_bulk(struct buffer *out, struct slice bytes)
{
    reply_head(out, '$', (int64_t)bytes.length);
    buffer_append(out, bytes.data, bytes.length);
    buffer_append(out, "\r\n", 2);
}

void reply_nil(struct buffer *out)
{
    buffer_append(out, "$-1\r\n", 5);
}

void reply_array(struct buffer *out, int count)
{
    reply_head(out, '*', count);
}
