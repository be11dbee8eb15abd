/*
 * Reading of requests with Debian's libhttp-parser, see request.h.
 */
#include "examples/static/request.h"

#include <string.h>

static const char *const field_names[FIELDS] = {
    [FIELD_HOST] = "host",
    [FIELD_RANGE] = "range",
    [FIELD_EXPECT] = "expect",
    [FIELD_IF_RANGE] = "if-range",
    [FIELD_IF_MATCH] = "if-match",
    [FIELD_IF_NONE_MATCH] = "if-none-match",
    [FIELD_IF_MODIFIED_SINCE] = "if-modified-since",
    [FIELD_IF_UNMODIFIED_SINCE] = "if-unmodified-since",
};

static struct request *request_of(http_parser *parser)
{
    return (struct request *)(void *)parser;
}

/* Makes the parser stop. */
static int refuse(struct request *request, int status)
{
    request->refusal = status;
    return -1;
}

/* The parser's callbacks, in the order of a request. Names and values may come in pieces. */

static int on_begin(http_parser *parser)
{
    http_clock_enter(&request_of(parser)->clock, HTTP_IN_HEADER);
    return 0;
}

static int on_target(http_parser *parser, const char *text, size_t bytes)
{
    struct request *request = request_of(parser);
    if (bytes > TARGET_LIMIT - request->target_bytes)
        return refuse(request, 414);
    memcpy(request->target + request->target_bytes, text, bytes);
    request->target_bytes += bytes;
    request->target[request->target_bytes] = '\0';
    return 0;
}

/* Blanks at the end do not belong to the value; the parser has left out those before it. */
static void value_end(struct request *request)
{
    if (!request->in_value)
        return;
    request->in_value = false;
    request->name_bytes = 0;
    if (request->field == FIELD_OTHER)
        return;
    const char *end = request->text + request->text_bytes;
    while (end > request->fields[request->field] && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    request->text_bytes = (size_t)(end - request->text);
    request->text[request->text_bytes] = '\0';
}

static int on_name(http_parser *parser, const char *text, size_t bytes)
{
    struct request *request = request_of(parser);
    if (memchr(text, ' ', bytes) != NULL) /* Debian's build of the parser lets it pass */
        return refuse(request, 400);
    value_end(request);
    for (size_t i = 0; i < bytes && request->name_bytes < sizeof request->name; i++)
        request->name[request->name_bytes++] = (char)(text[i] | 0x20);
    return 0;
}

static enum field field_named(const char *name, size_t bytes)
{
    int field = 0;
    while (field < FIELDS &&
           (strlen(field_names[field]) != bytes || memcmp(field_names[field], name, bytes) != 0))
        field++;
    return (enum field)field;
}

/* Appends to the value at the end of the text. */
static int text_append(struct request *request, const char *bytes, size_t count)
{
    if (request->field == FIELD_OTHER)
        return 0;
    if (count >= FIELDS_LIMIT - request->text_bytes)
        return refuse(request, 431);
    memcpy(request->text + request->text_bytes, bytes, count);
    request->text_bytes += count;
    request->text[request->text_bytes] = '\0';
    return 0;
}

/* A field that comes again continues its list. Trailers are not looked at. */
static int value_begin(struct request *request)
{
    request->field = request->clock.phase == HTTP_IN_HEADER
                         ? field_named(request->name, request->name_bytes)
                         : FIELD_OTHER;
    request->in_value = true;
    if (request->field == FIELD_OTHER)
        return 0;
    const char *before = request->fields[request->field];
    if (before != NULL && request->field == FIELD_HOST)
        return refuse(request, 400);
    if (request->text_bytes > 0)
        request->text_bytes++; /* the NUL of the one before */
    if (request->text_bytes >= FIELDS_LIMIT)
        return refuse(request, 431);
    request->fields[request->field] = request->text + request->text_bytes;
    if (before != NULL && text_append(request, before, strlen(before)) < 0)
        return -1;
    return text_append(request, ", ", before != NULL ? 2 : 0);
}

static int on_value(http_parser *parser, const char *text, size_t bytes)
{
    struct request *request = request_of(parser);
    if (!request->in_value && value_begin(request) < 0)
        return -1;
    return text_append(request, text, bytes);
}

/* What cannot be right, or will not be granted, is refused before its body comes. */
static int on_header_end(http_parser *parser)
{
    struct request *request = request_of(parser);
    bool since_1_1 = parser->http_major == 1 && parser->http_minor >= 1;
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    value_end(request);
    http_clock_enter(&request->clock, HTTP_IN_BODY);
    if (parser->http_major != 1)
        return refuse(request, 505);
    if (since_1_1 && request->fields[FIELD_HOST] == NULL)
        return refuse(request, 400);
    if (has_length && parser->content_length > BODY_LIMIT)
        return refuse(request, 413);
    if (since_1_1 && request->fields[FIELD_EXPECT] != NULL)
        return refuse(request, 417);
    return 0;
}

static int on_body(http_parser *parser, const char *text, size_t bytes)
{
    struct request *request = request_of(parser);
    (void)text;
    request->body_bytes += bytes;
    return request->body_bytes <= BODY_LIMIT ? 0 : refuse(request, 413);
}

static int on_end(http_parser *parser)
{
    request_of(parser)->complete = true;
    http_parser_pause(parser, 1); /* what follows is the next one */
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_header_end,
    .on_body = on_body,
    .on_message_complete = on_end,
};

static void request_clear(struct request *request)
{
    http_clock_enter(&request->clock, HTTP_BETWEEN_REQUESTS);
    request->complete = request->in_value = false;
    request->refusal = 0;
    request->first = '\0';
    request->target_bytes = request->name_bytes = request->text_bytes = request->body_bytes = 0;
    request->target[0] = '\0';
    memset(request->fields, 0, sizeof request->fields);
}

void request_init(struct request *request)
{
    http_parser_init(&request->parser, HTTP_REQUEST);
    request_clear(request);
}

void request_next(struct request *request)
{
    http_parser_pause(&request->parser, 0);
    request_clear(request);
}

/* The parser's own reasons. What begins like a method may be one that it does not know. */
static int status_of(enum http_errno error, char first)
{
    switch ((int)error) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_INVALID_METHOD:
        return first >= 'A' && first <= 'Z' ? 501 : 400;
    default:
        return 400;
    }
}

/* The parser also stops, without an error, at a wish to change the protocol, which is not granted.
 */
size_t request_feed(struct request *request, const char *bytes, size_t size)
{
    size_t used = 0;
    http_parser *parser = &request->parser;
    for (size_t i = 0; i < size && request->first == '\0'; i++)
        request->first = bytes[i] == '\r' || bytes[i] == '\n' ? '\0' : bytes[i];
    while (used < size && HTTP_PARSER_ERRNO(parser) == HPE_OK)
        used += http_parser_execute(parser, &callbacks, bytes + used, size - used);
    enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (error != HPE_OK && !request->complete && request->refusal == 0)
        request->refusal = status_of(error, request->first);
    return used;
}
