/*
 * The answer to a request.
 */
#ifndef STATIC_RESPOND_H
#define STATIC_RESPOND_H

#include "examples/static/output.h"
#include "examples/static/request.h"

/* Answers; `closing`: that was the last one. */
void respond(const struct request *request, struct output *output, bool closing);

/* Answers with that status and closes; `head`: without a body. */
void respond_refusal(struct output *output, int status, bool head);

#endif
