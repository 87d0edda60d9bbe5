/* SPDX-License-Identifier: Apache-2.0 */
/* Wait queues: how what has changed reaches those who wait for it. */
#include "guestkit/wait_queue.h"

#include <stddef.h>

void wait_queue_add(struct wait_queue *queue, struct waiter *waiter)
{
	waiter->queue = queue;
	waiter->next = NULL;
	waiter->previous = queue->last;
	if (queue->last)
		queue->last->next = waiter;
	else
		queue->first = waiter;
	queue->last = waiter;
}

void wait_queue_add_first(struct wait_queue *queue, struct waiter *waiter)
{
	waiter->queue = queue;
	waiter->previous = NULL;
	waiter->next = queue->first;
	if (queue->first)
		queue->first->previous = waiter;
	else
		queue->last = waiter;
	queue->first = waiter;
}

void wait_queue_remove(struct waiter *waiter)
{
	struct wait_queue *queue = waiter->queue;

	if (!queue)
		return;
	if (waiter->previous)
		waiter->previous->next = waiter->next;
	else
		queue->first = waiter->next;
	if (waiter->next)
		waiter->next->previous = waiter->previous;
	else
		queue->last = waiter->previous;
	waiter->queue = NULL;
}

void wait_queue_wake_for(struct wait_queue *queue, uint32_t events)
{
	struct waiter *next;

	for (struct waiter *waiter = queue->first; waiter; waiter = next) {
		next = waiter->next;
		waiter->notify(waiter, events);
	}
}
