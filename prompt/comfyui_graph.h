/* comfyui_graph.h - a workflow of ComfyUI as a graph of nodes, from both of its formats. */
#ifndef COMFYUI_GRAPH_H
#define COMFYUI_GRAPH_H

#include "json_tree.h"

typedef struct Node Node;

/* An input of a node: a value, or a link to an output of another node.
 * value: NULL when it is a link.  from: the node that is linked; NULL when there is none of that id
 * slot:  which output */
typedef struct {
    const char      *name;
    const JsonValue *value;
    const Node      *from;
    int              slot;
} Input;

/* type: ComfyUI's class_type, "KSampler" */
struct Node {
    const char *id, *type;
    Input      *input;
    size_t      inputs;
};

typedef struct { Node *node; size_t nodes; } Graph;

/* Is this JSON a workflow, in the API format ("prompt") or in that of the web page ("workflow")? */
int comfyui_is_graph(const JsonValue *v);

/* The graph of a workflow.  In the web page's format, muted nodes are left out, and bypassed ones are passed through.
 * Links to nodes that are missing lead to NULL.  Links may lead in a circle. */
Graph comfyui_graph(Arena *a, const JsonValue *v);

/* The input of this name; NULL when there is none, or when n is NULL. */
const Input *node_input(const Node *n, const char *name);

#endif
